// What the first touch of memory costs. Prints seconds as JSON.
//
// first_touch memory small|huge THREADS BYTES   threads fault anonymous memory in, 2 MiB at a time
// first_touch file FILE                         two threads bring a mapped file in, then a byte of
//                                               every page is read, twice: no fault is left
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

enum { kMaxThreads = 64 };

static char* bytes;
static size_t size;
static size_t step;
static int advice;
static atomic_size_t next;
static atomic_int failed;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void* fault_in(void* unused) {
  (void)unused;
  for (;;) {
    const size_t begin = atomic_fetch_add(&next, step);
    if (begin >= size) return NULL;
    const size_t length = size - begin < step ? size - begin : step;
    if (madvise(bytes + begin, length, advice) != 0) failed = 1;
  }
}

static double fault_in_by(int threads) {
  const double started = now();
  pthread_t others[kMaxThreads];
  for (int i = 1; i < threads; ++i) pthread_create(&others[i], NULL, fault_in, NULL);
  fault_in(NULL);
  for (int i = 1; i < threads; ++i) pthread_join(others[i], NULL);
  return now() - started;
}

static double touch(size_t offset) {
  const double started = now();
  const volatile char* touched = bytes + offset;
  for (size_t i = 0; i + offset < size; i += 4096) (void)touched[i];
  return now() - started;
}

static int touch_memory(int huge, int threads) {
  bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (bytes == MAP_FAILED || threads < 1 || threads > kMaxThreads) return 1;
  madvise(bytes, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  step = (size_t)2 << 20;
  advice = MADV_POPULATE_WRITE;
  printf("{\"total_seconds\": %.9f}\n", fault_in_by(threads));
  return failed;
}

static int touch_file(const char* path) {
  struct stat status;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &status) != 0) return 1;
  size = (size_t)status.st_size;
  bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) return 1;
  step = (size_t)8 << 20;
  advice = MADV_POPULATE_READ;
  const double brought_in = fault_in_by(2);
  const double first = touch(0);
  const double second = touch(64);
  printf("{\"total_seconds\": %.9f, \"first_seconds\": %.9f, \"second_seconds\": %.9f}\n",
         brought_in, first, second);
  return failed;
}

int main(int argc, char** argv) {
  int result = 2;
  if (argc == 5 && strcmp(argv[1], "memory") == 0) {
    size = strtoull(argv[4], NULL, 10);
    result = touch_memory(strcmp(argv[2], "huge") == 0, atoi(argv[3]));
  } else if (argc == 3 && strcmp(argv[1], "file") == 0) {
    result = touch_file(argv[2]);
  }
  if (result == 2)
    fputs("usage: first_touch memory small|huge THREADS BYTES | file FILE\n", stderr);
  if (result == 1) perror("first_touch");
  return result;
}
