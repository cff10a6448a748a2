// Ways of bringing a file into the page cache and into view: maps it, lets THREADS threads bring in
// pieces of 8 MiB each, then reads one byte of every page. Prints what that took, as JSON.
//
// read_in populate|pread THREADS FILE
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

enum { kPieceSize = 8 << 20, kMaxThreads = 64 };

static int fd;
static char* bytes;
static size_t size;
static int use_pread;
static atomic_size_t next;
static atomic_int failed;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

// Fills the page cache by a read whose bytes nobody looks at.
static int read_piece(size_t begin, size_t length, char* buffer) {
  for (size_t done = 0; done < length;) {
    const ssize_t got = pread(fd, buffer, length - done, (off_t)(begin + done));
    if (got <= 0) return -1;
    done += (size_t)got;
  }
  return 0;
}

static void* bring_in(void* unused) {
  (void)unused;
  char* buffer = use_pread ? malloc(kPieceSize) : NULL;
  for (;;) {
    const size_t begin = atomic_fetch_add(&next, kPieceSize);
    if (begin >= size) break;
    const size_t length = size - begin < kPieceSize ? size - begin : kPieceSize;
    const int result = use_pread ? read_piece(begin, length, buffer)
                                 : madvise(bytes + begin, length, MADV_POPULATE_READ);
    if (result != 0) atomic_store(&failed, errno ? errno : EIO);
  }
  free(buffer);
  return NULL;
}

int main(int argc, char** argv) {
  const int threads = argc == 4 ? atoi(argv[2]) : 0;
  if (threads < 1 || threads > kMaxThreads) {
    fputs("usage: read_in populate|pread THREADS FILE\n", stderr);
    return 2;
  }
  use_pread = strcmp(argv[1], "pread") == 0;
  struct stat status;
  fd = open(argv[3], O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &status) != 0) {
    perror(argv[3]);
    return 1;
  }
  size = (size_t)status.st_size;
  const double started = now();
  const double cpu_started = cpu_seconds();
  bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) {
    perror("mmap");
    return 1;
  }
  pthread_t others[kMaxThreads];
  for (int i = 1; i < threads; ++i) pthread_create(&others[i], NULL, bring_in, NULL);
  bring_in(NULL);
  for (int i = 1; i < threads; ++i) pthread_join(others[i], NULL);
  if (failed) {
    errno = failed;
    perror(argv[1]);
    return 1;
  }
  const double brought_in = now();
  const volatile char* touched = bytes;
  for (size_t i = 0; i < size; i += 4096) (void)touched[i];
  printf("{\"total_seconds\": %.9f, \"first_layer_seconds\": %.9f, \"cpu_seconds\": %.6f}\n",
         now() - started, brought_in - started, cpu_seconds() - cpu_started);
  return 0;
}
