// What /proc and /sys say, as pure functions of their text. The text comes from the kernel, but
// kernels differ: what does not read as it should is nullopt, never a guess.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace wpack::os {

// Returns `text` without the blanks and line ends around it.
[[nodiscard]] std::string_view trimmed(std::string_view text) noexcept;

// Splits at runs of blanks, or at every `separator`. The parts are views of `text`.
[[nodiscard]] std::vector<std::string_view> split_words(std::string_view text);
[[nodiscard]] std::vector<std::string_view> split_at(std::string_view text, char separator);

// A decimal number, with nothing but blanks around it.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text) noexcept;

// The number behind `key` at the start of a line, as in memory.stat ("inactive_file 4096").
[[nodiscard]] std::optional<std::uint64_t> find_number(std::string_view text,
                                                       std::string_view key) noexcept;

// The same for /proc/meminfo: "MemAvailable:   22 kB" is 22,528 bytes, "HugePages_Free:  3" is 3.
[[nodiscard]] std::optional<std::uint64_t> find_meminfo(std::string_view text,
                                                        std::string_view key) noexcept;

// The word in brackets: "always [madvise] never" is madvise.
[[nodiscard]] std::optional<std::string_view> selected_word(std::string_view text) noexcept;

// A limit of a memory cgroup: "max", and what version 1 shows for "none" (2^63 less a page), are a
// limit of nothing: the inner optional is empty.
[[nodiscard]] std::optional<std::optional<std::uint64_t>> parse_memory_limit(
    std::string_view text) noexcept;

// Processors that a quota leaves; the inner optional is empty where there is none. cpu.max of
// version 2 holds "200000 100000" or "max 100000"; version 1 has two files, and -1 for none.
[[nodiscard]] std::optional<std::optional<double>> parse_cpu_max(std::string_view text) noexcept;
[[nodiscard]] std::optional<std::optional<double>> parse_cfs_quota(
    std::string_view quota, std::string_view period) noexcept;

}  // namespace wpack::os
