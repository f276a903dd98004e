-- Redis 7 functions: what a library may read.
stds.redis7 = { read_globals = { "redis", "cmsgpack", "bit" } }
std = "lua51+redis7"
max_line_length = false
