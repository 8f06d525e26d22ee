// Preloaded into a program, this makes it wait, before a file's data is on the disk, for as many nanoseconds as the
// environment says.

#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const long long second = 1000000000;

int fdatasync(int file) {
	const char *by = getenv("PUSHSTREAM_TEST_DISK_DELAY");
	long long delay = by ? strtoll(by, NULL, 10) : 0;
	struct timespec left = {.tv_sec = delay / second, .tv_nsec = delay % second};
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
	return syscall(SYS_fdatasync, file);
}
