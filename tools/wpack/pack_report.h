// What `wpack pack` prints: the plan of a dry run, and the report of a run.
#pragma once

#include <string>

#include "output.h"
#include "wpack/pack.h"
#include "wpack/tensor_source.h"

namespace wpack::cli {

// The command line of `wpack pack`.
struct PackCommand {
  std::string source;
  std::string target;
  std::string use_order;  // file; empty: none
  PackOptions options;
  SourceOptions source_options;
  bool dry_run = false;
  bool json = false;
  bool verbose = false;
  bool quiet = false;
};

void print_plan_text(const PackCommand& command, const SourceDescription& source,
                     const PackPlan& plan, Output& out);
void print_plan_json(const PackCommand& command, const SourceDescription& source,
                     const PackPlan& plan, Output& out);

// `seconds` is the wall time of the whole run.
void print_report_text(const PackCommand& command, const SourceDescription& source,
                       const PackReport& report, double seconds, Output& out);
void print_report_json(const PackCommand& command, const SourceDescription& source,
                       const PackReport& report, double seconds, Output& out);

}  // namespace wpack::cli
