#include "load/engine_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/align.h"

namespace wpack {

std::string_view to_string(ReadMethod method) noexcept {
  switch (method) {
    case ReadMethod::kMap:
      return "map";
    case ReadMethod::kReadInAndMap:
      return "read in and map";
    case ReadMethod::kDirect:
      return "direct reads";
    case ReadMethod::kBuffered:
      return "buffered reads";
  }
  return "unknown";
}

namespace load {
namespace {

using base::kMebibyte;

// What layers of a shard are aligned to, and the buffers of pools.
constexpr std::uint64_t kShardAlignment = 4096;

// Of the memory that is there, the rest is left to everything else.
constexpr double kUsableShare = 0.9;

// What an engine is good for: a reason against it, or nothing. One that is not listed is not used.
struct EngineKind {
  std::string_view name;
  std::string_view against_direct;
  std::string_view against_buffered;
  bool takes_aio_requests = false;  // of those that AioRequests counts, as many as its depth
};
constexpr EngineKind kEngineKinds[] = {
    {"io_uring", "", "the kernel gives its buffered reads to threads, as pread does with less"},
    {"libaio", "", "its buffered reads wait for each other", true},
    {"pread", "", ""},
};

const EngineKind* find_kind(std::string_view engine) {
  const auto found = std::ranges::find(kEngineKinds, engine, &EngineKind::name);
  return found == std::end(kEngineKinds) ? nullptr : found;
}

// Without a profile: requests, and how many of them are under way. Whether the disk says that it
// rotates changes nothing: virtual disks say so too, and take many at a time.
struct Shape {
  std::uint64_t block_size;
  std::uint32_t depth;
};
constexpr Shape kDirectShape = {2 * kMebibyte, 16};
constexpr Shape kBufferedShape = {2 * kMebibyte, 4};
constexpr Shape kRemoteShape = {16 * kMebibyte, 8};  // hides how long a server takes to answer

std::string shape_text(const ReadShape& shape) {
  return fmt::format("{} {} of {} by {}", shape.depth, shape.depth == 1 ? "request" : "requests",
                     size_text(shape.block_size), shape.engine);
}

// Why a way of reading is not taken; empty if it is.
using Objection = std::optional<std::string>;

class Policy {
 public:
  Policy(const HostFacts& host, const FileFacts& file, const ReadNeeds& needs,
         std::span<const EngineCandidate> engines)
      : host_(host),
        engines_(engines),
        file_(file),
        needs_(needs),
        case_{host, file, needs},
        must_copy_(against_mapping()) {}

  [[nodiscard]] ReadChoice choose() {
    for (const ReadMethod method : in_order()) {
      if (const Objection objection = look_at(method)) {
        choice_.refused.push_back({std::string(to_string(method)), *objection, lacks(method)});
        continue;
      }
      choice_.method = method;
      if (method != ReadMethod::kDirect) choice_.direct.reset();
      if (!tuned_.empty()) choice_.reasons.push_back("tuned on this disk: " + tuned_);
      std::ranges::move(reasons_for(method, case_), std::back_inserter(choice_.reasons));
      expect_first_touch();
      return std::move(choice_);
    }
    // Its first use will say what the host lacks.
    choice_.method = ReadMethod::kBuffered;
    take("pread", kBufferedShape);
    choice_.reasons.emplace_back("nothing else is left");
    return std::move(choice_);
  }

 private:
  [[nodiscard]] Objection against_mapping() const {
    if (!needs_.mapping_refused.empty()) return needs_.mapping_refused;
    if (needs_.coded) return "coded bytes have to be decoded into memory of their own";
    if (needs_.destination == Destination::kCaller) return "the bytes go on to other memory";
    if (needs_.access == AccessMode::kMap) return std::nullopt;
    if (needs_.access == AccessMode::kRead) return "reading into private memory was asked for";
    if (needs_.memory_budget) return "a memory budget cannot hold mapped pages to it";
    return std::nullopt;
  }

  // The ways that are worth a look, the best first.
  [[nodiscard]] std::span<const ReadMethod> in_order() const noexcept {
    using enum ReadMethod;
    static constexpr ReadMethod kResident[] = {kMap, kBuffered, kDirect};
    static constexpr ReadMethod kMapAnyway[] = {kReadInAndMap, kMap};
    static constexpr ReadMethod kRemote[] = {kBuffered, kMap, kDirect};
    static constexpr ReadMethod kRemoteCopy[] = {kMap, kBuffered, kDirect};
    static constexpr ReadMethod kCopy[] = {kMap, kDirect, kBuffered};
    if (case_.is_in_memory()) return kResident;
    if (must_copy_) return case_.is_remote() ? std::span(kRemoteCopy) : std::span(kCopy);
    if (case_.is_remote() && needs_.access == AccessMode::kAuto) return kRemote;
    return kMapAnyway;
  }

  // True if it is not there, rather than not wanted.
  [[nodiscard]] bool lacks(ReadMethod method) const {
    if (method == ReadMethod::kReadInAndMap) return !reads_in();
    return method == ReadMethod::kDirect && case_.kind() != FileSystemKind::kMemory &&
           !file_.direct_alignment;
  }
  [[nodiscard]] bool reads_in() const { return host_.reads_mappings_in.value_or(true); }

  [[nodiscard]] Objection look_at(ReadMethod method) {
    switch (method) {
      case ReadMethod::kMap:
        take("", {0, 0});
        return must_copy_;
      case ReadMethod::kReadInAndMap:
        take("", {kReadInPieceSize, read_in_threads(host_)});
        if (!reads_in()) return "this kernel does not bring mapped pages in when it is asked to";
        return against_memory("the page cache would drop them again");
      case ReadMethod::kDirect:
        return against_direct();
      case ReadMethod::kBuffered:
        return against_buffered();
    }
    return "it is not known";
  }

  [[nodiscard]] Objection against_direct() {
    if (case_.kind() == FileSystemKind::kMemory) return "the file is memory already";
    if (!file_.direct_alignment) return file_.direct_alignment.error().message();
    const DirectAlignment& alignment = *file_.direct_alignment;
    if (std::max(alignment.memory, alignment.offset) > kShardAlignment) {
      return fmt::format("they would have to be aligned to {} bytes, and shards are to {}",
                         std::max(alignment.memory, alignment.offset), kShardAlignment);
    }
    choice_.direct = alignment;
    if (follows_profile(&ReadProfile::direct, &EngineKind::against_direct)) return std::nullopt;
    return find_engine(&EngineKind::against_direct, kDirectShape);
  }

  [[nodiscard]] Objection against_buffered() {
    // Private memory is not taken back under pressure, as mapped pages are: too much ends the
    // process.
    if (!must_copy_) {
      if (Objection objection = against_memory("mapped pages can be taken back")) return objection;
    }
    if (follows_profile(&ReadProfile::buffered, &EngineKind::against_buffered)) return std::nullopt;
    return find_engine(&EngineKind::against_buffered,
                       case_.is_remote() ? kRemoteShape : kBufferedShape);
  }

  // Where nobody knows how much memory there is, it is enough.
  [[nodiscard]] Objection against_memory(std::string_view consequence) const {
    const auto available = case_.available_memory();
    if (!available ||
        static_cast<double>(needs_.bytes) <= kUsableShare * static_cast<double>(*available)) {
      return std::nullopt;
    }
    return fmt::format("{} do not fit into the {} that are available: {}", size_text(needs_.bytes),
                       size_text(*available), consequence);
  }

  using Against = std::string_view EngineKind::*;
  using Measured = std::optional<ReadShape> ReadProfile::*;

  // True if the profile says how, and it can be done: then that is taken.
  [[nodiscard]] bool follows_profile(Measured measured, Against against) {
    if (!needs_.profile) return false;
    const ReadProfile& profile = *needs_.profile;
    if (Objection objection = against_profile(profile, measured, against)) {
      add_refusal({"profile", *std::move(objection)});
      return false;
    }
    const ReadShape& shape = *(profile.*measured);
    take(shape.engine, {shape.block_size, shape.depth});
    tuned_ = shape_text(shape);
    return true;
  }

  [[nodiscard]] Objection against_profile(const ReadProfile& profile, Measured measured,
                                          Against against) const {
    if (const Status fits = matches(profile, host_, file_); !fits) return fits.error().message();
    // A disk that one thread can keep busy says nothing of how many should copy.
    if (case_.is_in_memory()) return "it was measured on bytes that memory did not hold";
    if (!(profile.*measured)) return "it does not say how such reads are made best";
    const ReadShape& shape = *(profile.*measured);
    const auto candidate = std::ranges::find(engines_, shape.engine, &EngineCandidate::name);
    if (candidate == engines_.end()) return "its engine is not there: " + shape.engine;
    if (const auto refusal = against_engine(*candidate, against, {shape.block_size, shape.depth}))
      return fmt::format("{}: {}", shape.engine, refusal->reason);
    return std::nullopt;
  }

  [[nodiscard]] std::optional<Refusal> against_engine(const EngineCandidate& engine,
                                                      Against against, Shape shape) const {
    const auto refuse = [&engine](std::string reason, bool missing) {
      return Refusal{std::string(engine.name), std::move(reason), missing};
    };
    const EngineKind* const kind = find_kind(engine.name);
    if (kind == nullptr) return refuse("nothing says what it is good for", false);
    if (!(kind->*against).empty()) return refuse(std::string(kind->*against), false);
    if (kind->takes_aio_requests) {
      if (Objection objection = against_aio_requests(fitted(shape).depth))
        return refuse(*std::move(objection), true);
    }
    if (const auto refused = engine.refusal()) return refuse(refused->message(), true);
    return std::nullopt;
  }

  // Trying the engine takes one request; using it takes more.
  [[nodiscard]] Objection against_aio_requests(std::uint32_t wanted) const {
    if (!host_.aio_requests) return std::nullopt;
    const AioRequests& requests = *host_.aio_requests;
    const std::uint64_t left = requests.limit - std::min(requests.reserved, requests.limit);
    if (wanted <= left) return std::nullopt;
    return fmt::format("{} of the {} requests that the host allows are reserved, and {} would be",
                       requests.reserved, requests.limit, wanted);
  }

  // Takes the first engine that has nothing against it.
  [[nodiscard]] Objection find_engine(Against against, Shape shape) {
    for (const EngineCandidate& engine : engines_) {
      std::optional<Refusal> refusal = against_engine(engine, against, shape);
      if (!refusal) {
        take(engine.name, shape);
        return std::nullopt;
      }
      add_refusal(*std::move(refusal));
    }
    return "no engine for them works here";
  }

  void add_refusal(Refusal refusal) {
    if (std::ranges::find(choice_.refused, refusal) == choice_.refused.end())
      choice_.refused.push_back(std::move(refusal));
  }

  // The shape as the budget has room for it.
  [[nodiscard]] Shape fitted(Shape shape) const {
    if (!needs_.memory_budget) return shape;
    const std::uint64_t budget = std::max(*needs_.memory_budget, kShardAlignment);
    shape.block_size = std::min(shape.block_size, budget & ~(kShardAlignment - 1));
    shape.depth = static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(budget / shape.block_size, 1, shape.depth));
    return shape;
  }

  // Without an engine, the kernel reads: that takes nothing of a budget.
  void take(std::string_view engine, Shape shape) {
    if (!engine.empty()) shape = fitted(shape);
    choice_.engine = engine;
    choice_.block_size = shape.block_size;
    choice_.depth = shape.depth;
  }

  void expect_first_touch() {
    const bool copies =
        choice_.method == ReadMethod::kDirect || choice_.method == ReadMethod::kBuffered;
    if (!copies || needs_.destination == Destination::kCaller) return;
    const FirstTouchPlan plan = plan_first_touch(host_, file_, needs_.profile);
    choice_.fault_threads = plan.threads;
    choice_.first_touch = plan.cost;
    if (!plan.cost) return;
    choice_.reasons.push_back(
        fmt::format("the first touch of memory takes one thread {:.3f} s/GB: {} {} it in ahead",
                    static_cast<double>(*plan.cost) / static_cast<double>(kMebibyte), plan.threads,
                    plan.threads == 1 ? "thread faults" : "threads fault"));
  }

  const HostFacts& host_;
  const std::span<const EngineCandidate> engines_;
  const FileFacts& file_;
  const ReadNeeds& needs_;
  const ReadCase case_;
  const Objection must_copy_;
  std::string tuned_;  // the shape that the profile gave; empty where it gave none
  ReadChoice choice_;
};

}  // namespace

ReadChoice choose_reading(const HostFacts& host, const FileFacts& file, const ReadNeeds& needs,
                          std::span<const EngineCandidate> engines) {
  return Policy(host, file, needs, engines).choose();
}

ReadChoice choose_reading(const HostFacts& host, const FileFacts& file, const ReadNeeds& needs) {
  std::vector<EngineCandidate> engines;
  for (const EngineProbe& probe : host.engines)
    engines.push_back({probe.name, [&probe] { return probe.refused; }});
  return choose_reading(host, file, needs, engines);
}

std::vector<std::string> engines_after(const ReadChoice& choice,
                                       std::span<const EngineCandidate> engines) {
  constexpr std::string_view kLast = "pread";
  const auto against = choice.method == ReadMethod::kDirect ? &EngineKind::against_direct
                                                            : &EngineKind::against_buffered;
  std::vector<std::string> names;
  for (const EngineCandidate& engine : engines) {
    const EngineKind* const kind = find_kind(engine.name);
    const bool lacked = std::ranges::any_of(choice.refused, [&engine](const Refusal& refusal) {
      return refusal.missing && refusal.what == engine.name;
    });
    if (kind == nullptr || !(kind->*against).empty() || lacked || engine.name == choice.engine ||
        engine.name == kLast)
      continue;
    names.emplace_back(engine.name);
  }
  if (choice.engine != kLast) names.emplace_back(kLast);
  return names;
}

}  // namespace load

ReadChoice choose_reading(const HostReport& report, const std::optional<ReadProfile>& profile) {
  return load::choose_reading(report.host, report.file,
                              {.bytes = report.file.size, .profile = profile});
}

}  // namespace wpack
