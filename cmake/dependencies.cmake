# The libraries Rota stands on, each as one target, on Debian 12 and 13.

find_package(PkgConfig REQUIRED)
pkg_check_modules(GLIB REQUIRED IMPORTED_TARGET glib-2.0>=2.68)
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis>=0.14)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka)
find_package(ZLIB REQUIRED)

# msgpack-c: package and target have other names on Debian 12 (msgpackc) than on 13 (msgpack-c).
# The C++ library beside it has a msgpack-config.cmake too, in a folder that sorts behind.
set(CMAKE_FIND_PACKAGE_SORT_ORDER NAME)
set(CMAKE_FIND_PACKAGE_SORT_DIRECTION ASC)
find_package(MsgPack NAMES msgpack-c msgpack CONFIG REQUIRED)
unset(CMAKE_FIND_PACKAGE_SORT_ORDER)
unset(CMAKE_FIND_PACKAGE_SORT_DIRECTION)
add_library(dep_msgpack INTERFACE)
foreach(target IN ITEMS msgpack-c msgpackc)
  if(TARGET ${target})
    target_link_libraries(dep_msgpack INTERFACE ${target})
    set(MSGPACK_TARGET ${target})
    break()
  endif()
endforeach()
if(NOT MSGPACK_TARGET)
  message(FATAL_ERROR "${MsgPack_DIR} has neither of the targets msgpack-c and msgpackc")
endif()

# libev has neither a .pc nor a CMake file.
find_path(EV_INCLUDE ev.h REQUIRED)
find_library(EV_LIBRARY ev REQUIRED)
add_library(dep_ev INTERFACE)
target_include_directories(dep_ev SYSTEM INTERFACE ${EV_INCLUDE})
target_link_libraries(dep_ev INTERFACE ${EV_LIBRARY})
