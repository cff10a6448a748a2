// Containers that are read into memory by one engine of this host, for suites that run over all of
// them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "load/test_container.h"
#include "support/page_cache.h"
#include "wpack/explain.h"

namespace wpack::testing {

struct EngineCase {
  const char* name;
  const char* engine;
  bool direct;
};

inline constexpr EngineCase kEngineCases[] = {{"Pread", "pread", false},
                                              {"PreadDirect", "pread", true},
                                              {"Libaio", "libaio", true},
                                              {"IoUring", "io_uring", true}};

inline Result<std::unique_ptr<AsyncReader>> make_engine(const ReadChoice& choice) {
  if (choice.engine == "io_uring") return make_io_uring_reader(choice.depth, choice.direct);
  if (choice.engine == "libaio") return make_libaio_reader(choice.depth, *choice.direct);
  return make_pread_reader(choice.depth, choice.direct);
}

// This engine alone; none, if the host does not let it work.
inline load::Engines engines_of(const EngineCase& engine,
                                std::uint64_t budget = std::numeric_limits<std::uint64_t>::max()) {
  load::Engines engines = test_engines(budget);
  engines.make_reader = make_engine;
  engines.candidates.clear();
  for (const EngineProbe& probe : probe_engines()) {
    if (probe.name == engine.engine)
      engines.candidates.push_back({probe.name, [probe] { return probe.refused; }});
  }
  return engines;
}

// What lies in the page cache is read from there: only cold files are read directly.
inline void make_cold(const std::string& container) {
  for (const auto& file : std::filesystem::directory_iterator(container)) {
    if (file.path().extension() == ".wps" && !drop_from_page_cache(file.path().string()))
      throw std::runtime_error("cannot drop " + file.path().string());
  }
}

// As the engine wants the shards.
inline void prepare(const std::string& container, const EngineCase& engine) {
  if (engine.direct) return make_cold(container);
  for (const auto& file : std::filesystem::directory_iterator(container))
    (void)read_file(file.path());  // which brings it into the page cache
}

// Why this host does not read the container with the engine; empty if it does.
inline std::string obstacle(const Container& container, const EngineCase& engine) {
  const auto explanation = explain(container);
  if (!explanation) return explanation.error().message();
  const ReadChoice& choice = explanation->shards.front().choice;
  if (choice.engine == engine.engine && choice.direct.has_value() == engine.direct) return "";
  std::string reasons = "chosen instead: " + choice.engine;
  for (const Refusal& refusal : choice.refused)
    reasons += "; " + refusal.what + ": " + refusal.reason;
  return reasons;
}

}  // namespace wpack::testing
