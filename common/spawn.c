#include "common/spawn.h"

#include <errno.h>
#include <unistd.h>

_Noreturn void spawn_fail(int report_fd)
{
    int code = errno;
    ssize_t ignored = write(report_fd, &code, sizeof code);

    (void)ignored;
    _exit(127);
}

int spawn_errno(int report_fd)
{
    int code = 0;
    ssize_t got;

    do
        got = read(report_fd, &code, sizeof code);
    while (got < 0 && errno == EINTR);
    return got == sizeof code ? code : 0;
}
