#include "folder/weight_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "wpack/text.h"

namespace wpack::folder {
namespace {

struct Kind {
  std::string_view extension;
  std::string_view first_name;  // the one that goes first among several
};
// The first that a folder has is taken.
constexpr auto kKinds = std::to_array<Kind>({{"safetensors", "model"}, {"bin", "pytorch_model"}});

// The files of one name, such as "model.fp16".
struct Group {
  std::vector<std::string> indexes;
  std::string single;
  // By the text of the total: number and name of each file.
  std::map<std::string, std::map<std::uint64_t, std::string>, std::less<>> sets;

  // A file that stands for the form, for messages.
  [[nodiscard]] std::vector<std::string_view> forms() const {
    std::vector<std::string_view> names(indexes.begin(), indexes.end());
    if (!single.empty()) names.emplace_back(single);
    for (const auto& [total, files] : sets) names.emplace_back(files.begin()->second);
    return names;
  }
};
using Groups = std::map<std::string, Group, std::less<>>;

std::vector<std::string_view> split_at_dots(std::string_view name) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t dot = name.find('.');
    parts.push_back(name.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    name.remove_prefix(dot + 1);
  }
}

bool is_digits(std::string_view text) {
  constexpr std::size_t kMaxDigits = 9;
  return !text.empty() && text.size() <= kMaxDigits &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::uint64_t number_of(std::string_view digits) {
  std::uint64_t number = 0;
  (void)std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

// "model-00001-of-00003" is {"model", "00001", "00003"}.
struct SetMember {
  std::string_view group;
  std::string_view number;
  std::string_view total;
};
std::optional<SetMember> parse_set_member(std::string_view stem) {
  constexpr std::string_view kOf = "-of-";
  const std::size_t of = stem.rfind(kOf);
  if (of == std::string_view::npos) return std::nullopt;
  const std::size_t dash = stem.substr(0, of).rfind('-');
  if (dash == std::string_view::npos || dash == 0) return std::nullopt;
  const SetMember member{stem.substr(0, dash), stem.substr(dash + 1, of - dash - 1),
                         stem.substr(of + kOf.size())};
  const bool counts = is_digits(member.number) && is_digits(member.total) &&
                      member.number.size() == member.total.size();
  return counts ? std::optional(member) : std::nullopt;
}

// Many a .bin is no weights: training_args.bin, optimizer.bin.
bool is_single(std::string_view group, const Kind& kind) {
  return kind.extension != "bin" || group.substr(0, group.find('.')).ends_with("model");
}

// The group of an index, such as "model.fp16" of "model.safetensors.index.fp16.json", if its kind
// is this one.
std::optional<std::string> group_of_index(std::string_view name, const Kind& kind) {
  std::vector<std::string_view> parts = split_at_dots(name);
  if (parts.back() != "json") return std::nullopt;
  parts.pop_back();
  for (const std::string_view needed : {std::string_view("index"), kind.extension}) {
    const auto at = std::find(parts.begin(), parts.end(), needed);
    if (at == parts.begin() || at == parts.end()) return std::nullopt;
    parts.erase(at);
  }
  return fmt::format("{}", fmt::join(parts, "."));
}

void add_name(const std::string& name, const Kind& kind, Groups& groups) {
  if (name.starts_with('.')) return;
  if (const auto group = group_of_index(name, kind)) {
    groups[*group].indexes.push_back(name);
    return;
  }
  std::string_view stem = name;
  if (!stem.ends_with(kind.extension)) return;
  stem.remove_suffix(kind.extension.size());
  if (!stem.ends_with('.') || stem.size() == 1) return;
  stem.remove_suffix(1);
  if (const auto member = parse_set_member(stem)) {
    Group& group = groups[std::string(member->group)];
    group.sets[std::string(member->total)].emplace(number_of(member->number), name);
  } else if (is_single(stem, kind)) {
    groups[std::string(stem)].single = name;
  }
}

// Sets count from 1. One that counts from 0 may end before its total or at it, so that nobody can
// tell whether its last file is there.
Result<std::vector<std::string>> complete_set(std::string_view total,
                                              const std::map<std::uint64_t, std::string>& files) {
  const auto& [first, first_name] = *files.begin();
  if (first == 0) {
    return Error(ErrorCode::kBadInput,
                 fmt::format("its files count from 0 ({}), so that only an index could tell "
                             "whether they are complete",
                             escape_name(first_name, 256)));
  }
  const std::uint64_t count = number_of(total);
  std::vector<std::string> names;
  for (const auto& [number, name] : files) {
    if (number != names.size() + 1 || number > count) break;
    names.push_back(name);
  }
  if (names.size() == count && files.size() == count) return names;
  if (files.rbegin()->first > count) {
    return Error(ErrorCode::kBadInput, fmt::format("file {} counts past its own total",
                                                   escape_name(files.rbegin()->second, 256)));
  }
  const std::string_view pattern(first_name);
  const std::size_t of = pattern.rfind("-of-");
  const std::string missing = fmt::format("{}{:0{}}{}", pattern.substr(0, of - total.size()),
                                          names.size() + 1, total.size(), pattern.substr(of));
  return Error(ErrorCode::kIo, fmt::format("has {} of {} files: {} is missing", files.size(), count,
                                           escape_name(missing, 256)));
}

Result<WeightFiles> choose_form(const Group& group) {
  const std::vector<std::string_view> forms = group.forms();
  WeightFiles weights;
  if (group.indexes.size() > 1) return ambiguous_weights(forms[0], forms[1]);
  if (group.indexes.size() == 1) {
    weights.index = group.indexes.front();
    weights.rival = group.single;
    return weights;
  }
  if (forms.size() > 1) return ambiguous_weights(forms[0], forms[1]);
  if (!group.single.empty()) {
    weights.files = {group.single};
    return weights;
  }
  const auto& [total, files] = *group.sets.begin();
  WPACK_ASSIGN(weights.files, complete_set(total, files));
  return weights;
}

}  // namespace

Error ambiguous_weights(std::string_view a, std::string_view b) {
  return {ErrorCode::kBadInput,
          fmt::format("holds both {} and {}, and programs differ in which they read; name the one "
                      "to pack",
                      escape_name(a, 256), escape_name(b, 256))};
}

bool is_index_name(std::string_view name) {
  return std::ranges::any_of(
      kKinds, [&](const Kind& kind) { return group_of_index(name, kind).has_value(); });
}

bool is_weight_name(std::string_view name) {
  return std::ranges::any_of(kKinds, [&](const Kind& kind) {
    Groups groups;
    add_name(std::string(name), kind, groups);
    return !groups.empty();
  });
}

Result<WeightFiles> choose_weights(std::span<const std::string> names) {
  for (const Kind& kind : kKinds) {
    Groups groups;
    for (const std::string& name : names) add_name(name, kind, groups);
    if (groups.empty()) continue;
    auto group = groups.find(kind.first_name);
    if (group == groups.end()) group = groups.begin();
    const bool sure = groups.size() == 1 || group->first == kind.first_name;
    if (!sure) {
      return ambiguous_weights(group->second.forms().front(),
                               std::next(group)->second.forms().front());
    }
    return choose_form(group->second);
  }
  return WeightFiles{};
}

}  // namespace wpack::folder
