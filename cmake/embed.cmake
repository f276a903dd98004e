# cmake -D FROM=FILE -D TO=FILE.h -D NAME=variable -P embed.cmake: a text file as a string in C.
file(READ ${FROM} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
string(REPLACE "'\\x0a'," "'\\n',\n  " bytes "${bytes}")
file(WRITE ${TO} "static const char ${NAME}[] = {\n  ${bytes}0\n};\n")
