# cmake -P: joins lib/ and the operations into rota.lua, and writes the same text as a C array. Each file of operations is a
# function of its own, because Lua allows 200 local names in one: those of lib/ together, and those of each file. (And 60 names
# of lib/ that one file uses.)

cmake_policy(VERSION 3.25)
set(text "#!lua name=rota_${ABI}\n")
foreach(name IN LISTS LIB)
  file(READ ${SOURCE}/lib/${name}.lua part)
  string(APPEND text "${part}")
endforeach()
foreach(name IN LISTS OPERATIONS)
  file(READ ${SOURCE}/${name}.lua part)
  string(APPEND text "do local function operations()\n${part}end operations() end\n")
endforeach()
string(REPLACE "@ABI@" "${ABI}" text "${text}")
file(WRITE ${TARGET}/rota.lua "${text}")

file(READ ${TARGET}/rota.lua bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
string(REGEX REPLACE "(('.x..',){24})" "\\1\n" bytes "${bytes}")
file(SHA256 ${TARGET}/rota.lua sha256)
file(WRITE ${TARGET}/library_text.h "/* Generated from lua/ by lua/join.cmake. */
#define LIBRARY_ABI \"${ABI}\"
#define LIBRARY_NAME \"rota_${ABI}\"
#define LIBRARY_SHA256 \"${sha256}\"
static const char library_text_bytes[] = {
${bytes}0
};
")
