/* Counts what a process asks of files and folders below a folder, by name, and lets each question take as
long as a round trip to a file server. Loaded before the C library by `round_trips.py`.

Reading and writing what is open already is not counted: that is data. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

long syscall(long number, ...);
int snprintf(char *text, size_t size, const char *form, ...);

static const char *under;
static size_t length;
static long microseconds;
static long *counts; /* of `names`, one behind the other, shared by all processes */

__attribute__((constructor)) static void begin(void) {
  const char *wait = getenv("ROUND_TRIP_MICROSECONDS"), *file = getenv("ROUND_TRIP_COUNTS");
  under = getenv("ROUND_TRIP_UNDER");
  length = under ? strlen(under) : 0;
  microseconds = wait ? atol(wait) : 0;
  long number = file ? syscall(SYS_openat, -100L, file, 2L /* O_RDWR */) : -1;
  void *shared = number < 0 ? MAP_FAILED : mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, (int)number, 0);
  if (number >= 0) syscall(SYS_close, number);
  counts = shared == MAP_FAILED ? 0 : shared;
}

static int is_under(const char *path) { return !strncmp(path, under, length); }

static void ask(int folder, const char *path, int place) {
  char link[64], target[4096];
  if (!counts || !length || !path) return;
  if (path[0] != '/') { /* of the current folder, or of one that is open */
    if (folder == -100) strcpy(link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    long size = syscall(SYS_readlinkat, -100L, link, target, sizeof target - 1);
    target[size < 0 ? 0 : size] = 0;
    if (!is_under(target)) return;
  } else if (!is_under(path)) return;
  __atomic_fetch_add(counts + place, 1, __ATOMIC_RELAXED);
  struct timespec wait = {microseconds / 1000000, microseconds % 1000000 * 1000};
  if (microseconds) nanosleep(&wait, 0);
}

/* What all of them take fits in five registers, whatever its type. */
typedef long (*function)(long, long, long, long, long);
#define ASKS(place, name, folder, path)                                   \
  long name(long a, long b, long c, long d, long e) {                     \
    static function next;                                                 \
    if (!next) next = (function)dlsym(RTLD_NEXT, #name);                  \
    ask((int)(folder), (const char *)path, place);                               \
    return next(a, b, c, d, e);                                           \
  }

ASKS(0, open, -100, a) ASKS(0, open64, -100, a) ASKS(0, openat, a, b) ASKS(0, openat64, a, b)
ASKS(0, fopen, -100, a) ASKS(0, fopen64, -100, a)
ASKS(1, stat, -100, a) ASKS(1, stat64, -100, a) ASKS(1, lstat, -100, a) ASKS(1, lstat64, -100, a)
ASKS(1, fstatat, a, b) ASKS(1, fstatat64, a, b) ASKS(1, statx, a, b)
ASKS(1, access, -100, a) ASKS(1, faccessat, a, b) ASKS(1, readlink, -100, a) ASKS(1, readlinkat, a, b)
ASKS(2, opendir, -100, a)
ASKS(3, rename, -100, a) ASKS(3, renameat, a, b) ASKS(3, mkdir, -100, a) ASKS(3, mkdirat, a, b)
ASKS(3, unlink, -100, a) ASKS(3, unlinkat, a, b) ASKS(3, rmdir, -100, a) ASKS(3, link, -100, a)
