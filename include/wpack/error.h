// Errors as values: ErrorCode, Error, Result<T>, Status.
//
// wpack throws nothing of its own; only std::bad_alloc may propagate. Every fallible function
// returns a Result<T> (or Status, when there is no value), and the compiler warns when one is
// dropped. Codes are for policy, messages are for people: a message names the operation, the
// operand (file, tensor or offset) and the cause, once, in one line.
//
// The member names follow std::expected, so that a later move to it is mechanical.
//
// Thread safety: an object of these classes may be read from several threads at once and written
// from one, like an int.
#pragma once

#include <cassert>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "wpack/export.h"

namespace wpack {

// What kind of failure it was. The numbers are pinned and never reused. The wpack command exits
// with the number itself, but for kNotFound, a name that the caller got wrong (2), and kDeadline
// (1).
enum class ErrorCode : int {
  kInternal = 1,         // a defect of wpack, or a failure that fits nowhere below
  kInvalidArgument = 2,  // the caller asked for something that makes no sense
  kBadInput = 3,         // a source or container has an invalid or unsupported structure
  kIntegrity = 4,        // a size, hash or UUID does not match
  kIo = 5,               // a system call on a file failed, or the file does not exist
  kLimit = 6,            // a resource ran out: memory, budget, disk space, quota, descriptors
  kUnsupportedHost = 7,  // this kernel, file system or processor cannot do it
  kNotFound = 8,         // no tensor or layer has that name
  kDeadline = 9,         // the caller's deadline passed first
  kCancelled = 130,      // the caller asked to stop
};

// Returns a fixed lower-case word for `code`, such as "integrity". Never fails.
[[nodiscard]] WPACK_EXPORT std::string_view to_string(ErrorCode code) noexcept;

// One failure: a code, the errno behind it (0 where there is none), and a one-line message.
class [[nodiscard]] WPACK_EXPORT Error {
 public:
  Error(ErrorCode code, std::string message) : message_(std::move(message)), code_(code) {}
  Error(ErrorCode code, int system_errno, std::string message)
      : message_(std::move(message)), code_(code), system_errno_(system_errno) {}

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  [[nodiscard]] int system_errno() const noexcept { return system_errno_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }

  // Puts `context` in front of the message ("context: message"). Used on the way up, so that the
  // outermost operand stands first.
  [[nodiscard]] Error in(std::string_view context) &&;

 private:
  std::string message_;
  ErrorCode code_;
  int system_errno_ = 0;
};

// Either a T or an Error. Reading the alternative that it does not hold is a programming error
// (asserted); it is never reached by what a file contains.
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  using error_type = Error;

  template <typename U = T,
            typename = std::enable_if_t<!std::is_same_v<std::remove_cvref_t<U>, Result> &&
                                        !std::is_same_v<std::remove_cvref_t<U>, Error> &&
                                        std::is_constructible_v<T, U&&>>>
  Result(U&& value)  // NOLINT(google-explicit-constructor): `return value;` is the use
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  Result(Error error)  // NOLINT(google-explicit-constructor): `return Error(...)` is the use
      : state_(std::in_place_index<1>, std::move(error)) {}
  // From a result whose value converts, such as a pointer to a derived class.
  template <typename U,
            typename = std::enable_if_t<!std::is_same_v<U, T> && std::is_convertible_v<U&&, T> &&
                                        !std::is_constructible_v<T, Result<U>&&>>>
  Result(Result<U>&& other)  // NOLINT(google-explicit-constructor): as std::expected has it
      : state_(other ? State(std::in_place_index<0>, *std::move(other))
                     : State(std::in_place_index<1>, std::move(other).error())) {}

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

  [[nodiscard]] T& value() & { return *get(); }
  [[nodiscard]] const T& value() const& { return *get(); }
  [[nodiscard]] T&& value() && { return std::move(*get()); }
  [[nodiscard]] T& operator*() & { return *get(); }
  [[nodiscard]] const T& operator*() const& { return *get(); }
  [[nodiscard]] T&& operator*() && { return std::move(*get()); }
  // Not for a temporary: what `open(path)->info()` hands out may die with it at the semicolon.
  [[nodiscard]] T* operator->() & { return get(); }
  [[nodiscard]] const T* operator->() const& { return get(); }
  [[nodiscard]] const T* operator->() const&& = delete;

  template <typename U>
  [[nodiscard]] T value_or(U&& fallback) const& {
    return has_value() ? **this : static_cast<T>(std::forward<U>(fallback));
  }

  [[nodiscard]] const Error& error() const& {
    assert(!has_value());
    return *std::get_if<1>(&state_);
  }
  [[nodiscard]] Error&& error() && {
    assert(!has_value());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  using State = std::variant<T, Error>;

  [[nodiscard]] T* get() {
    assert(has_value());
    return std::get_if<0>(&state_);
  }
  [[nodiscard]] const T* get() const {
    assert(has_value());
    return std::get_if<0>(&state_);
  }

  State state_;
};

// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  using error_type = Error;

  Result() = default;
  Result(Error error)  // NOLINT(google-explicit-constructor): `return Error(...)` is the use
      : state_(std::move(error)) {}

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
  [[nodiscard]] const Error& error() const& {
    assert(!has_value());
    return *std::get_if<1>(&state_);
  }
  [[nodiscard]] Error&& error() && {
    assert(!has_value());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<std::monostate, Error> state_;
};

using Status = Result<void>;

}  // namespace wpack

#define WPACK_INTERNAL_JOIN2(a, b) a##b
#define WPACK_INTERNAL_JOIN(a, b) WPACK_INTERNAL_JOIN2(a, b)

// Returns from the enclosing function with the Error of `expression`, if it holds one.
#define WPACK_TRY(expression)                                    \
  do {                                                           \
    if (auto wpack_try_result = (expression); !wpack_try_result) \
      return std::move(wpack_try_result).error();                \
  } while (false)

// `WPACK_ASSIGN(auto file, File::open(path));` declares `file`, or returns with the Error. It
// expands to several statements: never the unbraced body of an `if`.
#define WPACK_ASSIGN(declaration, expression) \
  WPACK_INTERNAL_ASSIGN(WPACK_INTERNAL_JOIN(wpack_result_, __LINE__), declaration, expression)
#define WPACK_INTERNAL_ASSIGN(result, declaration, expression) \
  auto result = (expression);                                  \
  if (!result) return std::move(result).error();               \
  declaration = *std::move(result)
