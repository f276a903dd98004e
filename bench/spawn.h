/* spawn.h - what it costs this machine to run a command: the figure that handlers are measured against. */
#pragma once

/* Commands per second of a bare loop around posix_spawn and wait: /bin/true, `count` times, `in_flight` at once. */
double spawn_per_s(unsigned in_flight, unsigned count);
