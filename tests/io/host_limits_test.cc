// Hosts that refuse an engine: every answer is an error that says what to change, and pread is
// left.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cerrno>

#include "io/async_reader_conformance.h"
#include "support/child_process.h"
#include "support/memory_file.h"
#include "support/sanitizer.h"
#include "support/system_call_filter.h"

namespace wpack::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// "code: message" of every engine that is refused, or "name works", one a line.
std::string describe_engines() {
  std::string text;
  for (const EngineProbe& probe : probe_engines()) {
    text += probe.refused
                ? std::string(to_string(probe.refused->code())) + ": " + probe.refused->message()
                : std::string(probe.name) + " works";
    text += '\n';
  }
  return text;
}

std::string engines_without(std::initializer_list<long> calls, int error) {
  return run_in_child([&] {
    block_system_calls(calls, error);
    return describe_engines();
  });
}

// Reads through an engine, and says what goes wrong.
std::string read_with(const Result<std::unique_ptr<AsyncReader>>& reader) {
  if (!reader)
    return std::string(to_string(reader.error().code())) + ": " + reader.error().message();
  const MemoryFile file("contents");
  const auto opened = os::File::open_read(file.path());
  if (!opened) return opened.error().message();
  std::byte memory[8];
  const ReadRequest request{.fd = opened->fd(), .out = memory};
  if (!(*reader)->submit({&request, 1})) return "submit fails";
  ReadCompletion completion;
  if ((*reader)->poll({&completion, 1}, 1) != 1) return "nothing completes";
  if (completion.error) return completion.error->message();
  return std::memcmp(memory, "contents", 8) == 0 ? "works" : "wrong bytes";
}

bool has_io_uring() { return !probe_engines()[0].refused; }
bool has_libaio() { return !probe_engines()[1].refused; }

TEST(HostLimitsTest, SaysThatAFilterBlocksIoUring) {
  if (!has_io_uring()) GTEST_SKIP() << probe_engines()[0].refused->message();
  EXPECT_THAT(engines_without({SYS_io_uring_setup}, EPERM),
              AllOf(StartsWith("unsupported host: io_uring: not permitted"),
                    HasSubstr("kernel.io_uring_disabled is "),
                    HasSubstr("a filter of system calls blocks it"), HasSubstr("pread works")));
  EXPECT_THAT(engines_without({SYS_io_uring_setup}, ENOSYS),
              AllOf(StartsWith("unsupported host: io_uring: this kernel has none"),
                    HasSubstr("pread works")));
}

TEST(HostLimitsTest, FindsARingThatCanBeMadeButNotUsed) {
  if (!has_io_uring()) GTEST_SKIP() << probe_engines()[0].refused->message();
  EXPECT_THAT(
      engines_without({SYS_io_uring_enter}, EPERM),
      AllOf(StartsWith("unsupported host: io_uring: not permitted"), HasSubstr("pread works")));
}

TEST(HostLimitsTest, SaysThatNoMemoryIsLeftForARing) {
  if (!has_io_uring()) GTEST_SKIP() << probe_engines()[0].refused->message();
  EXPECT_THAT(engines_without({SYS_io_uring_setup}, ENOMEM),
              StartsWith("limit: io_uring: no memory for a ring; before Linux 5.12 it counts "
                         "against RLIMIT_MEMLOCK"));
}

TEST(HostLimitsTest, SaysThatAFilterBlocksLibaio) {
  if (!has_libaio()) GTEST_SKIP() << probe_engines()[1].refused->message();
  for (const int error : {EPERM, ENOSYS}) {
    EXPECT_THAT(engines_without({SYS_io_setup}, error),
                AllOf(HasSubstr("unsupported host: libaio: this kernel has no io_setup, or a "
                                "filter of system calls blocks it"),
                      HasSubstr("pread works")));
  }
}

TEST(HostLimitsTest, NamesTheSettingThatBoundsLibaio) {
  if (!has_libaio()) GTEST_SKIP() << probe_engines()[1].refused->message();
  EXPECT_THAT(engines_without({SYS_io_setup}, EAGAIN),
              AllOf(HasSubstr("limit: libaio: the host has no asynchronous requests left: "
                              "fs.aio-nr is "),
                    HasSubstr("fs.aio-max-nr "), HasSubstr("pread works")));
}

TEST(HostLimitsTest, WorksWithoutMemoryThatCanBeLocked) {
  if (!has_io_uring()) GTEST_SKIP() << probe_engines()[0].refused->message();
  const std::string outcome = run_in_child([] {
    const rlimit none{};
    if (::setrlimit(RLIMIT_MEMLOCK, &none) != 0) return std::string("setrlimit fails");
    return read_with(make_io_uring_reader(64));
  });
  // Before Linux 5.12 a ring counted, unless root made it.
  EXPECT_THAT(outcome, ::testing::AnyOf("works", HasSubstr("RLIMIT_MEMLOCK")));
}

TEST(HostLimitsTest, SaysThatNoDescriptorIsLeftForARing) {
  if (!has_io_uring()) GTEST_SKIP() << probe_engines()[0].refused->message();
  EXPECT_EQ(run_in_child([] {
              rlimit few{};
              ::getrlimit(RLIMIT_NOFILE, &few);
              few.rlim_cur = 3;
              if (::setrlimit(RLIMIT_NOFILE, &few) != 0) return std::string("setrlimit fails");
              return read_with(make_io_uring_reader(8));
            }),
            "limit: io_uring: making a ring failed: Too many open files");
}

TEST(HostLimitsTest, SaysThatNoThreadCanBeStarted) {
  EXPECT_THAT(run_in_child([] {
                block_system_calls({SYS_clone, SYS_clone3}, EAGAIN);
                return read_with(make_pread_reader(4));
              }),
              StartsWith("limit: start of a thread failed: "));
}

}  // namespace
}  // namespace wpack::testing
