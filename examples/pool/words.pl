#!/usr/bin/env perl
# A handler that lives on: counts the words of each payload.
use strict;
use warnings;
use IO::Handle;
use JSON::PP;
use MIME::Base64;

open(my $in, '<&=', 3) or die "descriptor 3: $!";
open(my $out, '>&=', 3) or die "descriptor 3: $!";
$out->autoflush(1);
STDOUT->autoflush(1);

sub say_frame { print $out encode_json({@_}), "\n" }

sub payload_of {
    my ($job) = @_;
    return decode_base64($job->{payload_b64}) if exists $job->{payload_b64};
    return $job->{payload} unless exists $job->{payload_path};
    open(my $file, '<', $job->{payload_path}) or die "payload: $!";
    local $/;
    return <$file>;
}

say_frame(op => 'hello', contract => 1, max_inflight => 1);
while (my $line = <$in>) {
    my $job = decode_json($line);
    next if $job->{op} ne 'job';    # cancel: there is nothing to stop; drain: the end of the stream ends us
    print "counting for $job->{org}\n";    # into the job's log
    my @words = eval { split ' ', payload_of($job) };
    if ($@) { say_frame(op => 'done', id => $job->{id}, verdict => 'retry', error => "$@") }
    else { say_frame(op => 'done', id => $job->{id}, verdict => 'ok', result => {words => scalar @words}) }
}
