#include "bench_disk.h"

#include <cerrno>

#include "bench_process.h"
#include "output.h"

namespace wpack::cli {
namespace {

// fio takes a list that colons separate.
std::string fio_list(const std::vector<std::string>& files) {
  std::string list;
  for (const std::string& file : files) {
    if (!list.empty()) list += ':';
    for (const char byte : file) {
      if (byte == ':' || byte == '\\') list += '\\';
      list += byte;
    }
  }
  return list;
}

}  // namespace

Result<double> parse_fio_rate(std::string_view output) {
  const std::size_t begin = output.find('{');
  const Json json = Json::parse(
      output.substr(begin == std::string_view::npos ? output.size() : begin), nullptr, false);
  const Json::json_pointer bytes_at("/jobs/0/read/io_bytes");
  const Json::json_pointer rate_at("/jobs/0/read/bw_bytes");
  if (!json.is_object() || !json.contains(bytes_at) || !json.contains(rate_at) ||
      !json[bytes_at].is_number() || !json[rate_at].is_number()) {
    return Error(ErrorCode::kInternal, "fio: its answer could not be understood");
  }
  const double rate = json[rate_at].get<double>();
  if (json[bytes_at].get<double>() <= 0 || rate <= 0) {
    return Error(ErrorCode::kInternal, "fio: read nothing; it reads whole MiB");
  }
  return rate;
}

Result<double> disk_rate(const std::vector<std::string>& files) {
  const auto run =
      run_process({"fio", "--name=read", "--filename=" + fio_list(files), "--readonly", "--rw=read",
                   "--direct=1", "--ioengine=libaio", "--bs=1M", "--iodepth=32",
                   "--file_service_type=sequential", "--output-format=json"});
  if (!run && run.error().system_errno() == ENOENT) {
    return Error(ErrorCode::kUnsupportedHost, ENOENT, "fio is not installed");
  }
  if (!run) return Error(run.error()).in("fio");
  return parse_fio_rate(run->out);
}

void DiskRates::sample() {
  if (!reason_.empty()) return;
  const auto rate = disk_rate(files_);
  if (rate) {
    samples_.push_back(*rate);
  } else {
    reason_ = rate.error().message();
  }
}

std::optional<double> DiskRates::around_last_run() const {
  if (!reason_.empty() || samples_.size() < 2) return std::nullopt;
  return (samples_[samples_.size() - 2] + samples_.back()) / 2;
}

}  // namespace wpack::cli
