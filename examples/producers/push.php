<?php // push.php ORG TYPE KEY < PAYLOAD - one job; prints its id. No answer? The same again, with the same key.
[, $org, $type, $key] = $argv;
$url = parse_url(getenv('REDIS_URL') ?: 'redis://127.0.0.1:6379');
$redis = new Redis();
$redis->connect($url['host'], $url['port'] ?? 6379);
$id = $redis->rawCommand('XADD', 'rota:inbox', 'NOMKSTREAM', '*',
    'org', $org, 'type', $type, 'key', $key, 'payload', stream_get_contents(STDIN));
if (!$id) {
    fwrite(STDERR, ($redis->getLastError() ?: 'no rota:inbox in this Redis') . "\n");
    exit(1);
}
echo $id, "\n";
