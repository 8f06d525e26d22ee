// Preloaded into a program, this shifts its wall clock by as many nanoseconds as the environment says. All else stays: the
// monotonic clock, and what files say of their age.
//
// The kernel is asked directly. To look for the function that this one stands for would allocate memory, and jemalloc, which
// asks for the time when it starts, hangs in that. libfaketime does so, and leaves files in /dev/shm when it is killed.

#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const long long second = 1000000000;
static long long shift;

__attribute__((constructor)) static void begin(void) {
	const char *by = getenv("PUSHSTREAM_TEST_CLOCK_SHIFT");
	if (by)
		shift = strtoll(by, NULL, 10);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
	int result = syscall(SYS_clock_gettime, clock, now);
	if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
		long long shifted = now->tv_sec * second + now->tv_nsec + shift;
		now->tv_sec = shifted / second;
		now->tv_nsec = shifted % second;
	}
	return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
	struct timespec precise;
	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
		return -1;
	now->tv_sec = precise.tv_sec;
	now->tv_usec = precise.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *now) {
	struct timespec precise;
	if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
		return -1;
	if (now)
		*now = precise.tv_sec;
	return precise.tv_sec;
}
