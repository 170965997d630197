// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/model_page.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <numeric>

#include <fmt/format.h>

#include "base/file.h"
#include "experiment/model_page.h"
#include "format/statistics.h"
#include "format/targets/targets.h"

namespace jang {
namespace {

constexpr int kTypicalBits = 4;  // sensitivities measured by trials are read off next to it

// The modules of a report's tensors, as statistics name them.
std::vector<std::string> canonical_modules(const ModelReport& report, const std::string& model_type) {
  std::vector<TensorInfo> infos;
  for (const TensorReport& row : report.tensors) infos.push_back({row.name, DType::bf16, {}});
  arch::SourceFacts facts;
  const json::Value config = {{"model_type", model_type}};
  for (const targets::Target* target : targets::targets()) target->published(config, &infos, &facts);
  std::vector<std::string> modules;
  for (const TensorInfo& t : infos) {
    constexpr std::string_view kWeight = ".weight";
    modules.push_back(t.name.ends_with(kWeight) ? t.name.substr(0, t.name.size() - kWeight.size()) : t.name);
  }
  return modules;
}

// Of a module, whatever stands before its canonical name; null: nothing was measured there.
template <typename Measured>
const Measured* find_module(const std::map<std::string, Measured>& measured, std::string module) {
  for (;;) {
    if (const auto found = measured.find(module); found != measured.end()) return &found->second;
    const std::size_t dot = module.find('.');
    if (dot == std::string::npos) return nullptr;
    module.erase(0, dot + 1);
  }
}

double squared_gradient(const format::FisherStatistics& fisher, std::int64_t positions) {
  return std::accumulate(fisher.rows.begin(), fisher.rows.end(), 0.0) / static_cast<double>(std::max<std::int64_t>(positions, 1));
}

double divergence_per_error(const std::vector<format::SensitivityPoint>& points) {
  const auto distance = [](const format::SensitivityPoint& p) { return std::abs(p.bits - kTypicalBits); };
  const auto nearest = std::ranges::min_element(points, {}, distance);
  return nearest != points.end() && nearest->error > 0 ? nearest->divergence / nearest->error : 0;
}

void add_sensitivities(const ModelReport& report, const std::string& model_type, const format::Statistics& statistics,
                       experiment::ModelFacts* facts) {
  const bool by_gradient = !statistics.fisher.empty();
  facts->sensitivity_meaning = by_gradient ? "Squared gradient of a token's prediction, summed over the weights; measured by "
                                             "`jang calibrate`. Ten times more is two shades warmer."
                                           : "Divergence in nats for a relative squared error of 1, extrapolated from trials next to 4 "
                                             "bits by `jang calibrate`. Ten times more is two shades warmer.";
  const std::vector<std::string> modules = canonical_modules(report, model_type);
  for (std::size_t i = 0; i < modules.size(); ++i) {
    const auto* gradients = by_gradient ? find_module(statistics.fisher, modules[i]) : nullptr;
    const auto* points = by_gradient ? nullptr : find_module(statistics.sensitivities, modules[i]);
    if (gradients != nullptr)
      facts->sensitivities[report.tensors[i].name] = squared_gradient(*gradients, statistics.fisher_positions);
    else if (points != nullptr)
      facts->sensitivities[report.tensors[i].name] = divergence_per_error(*points);
  }
}

}  // namespace

Result<std::string> model_page(const ModelReport& report, const ModelPage& page) {
  experiment::ModelFacts facts{page.title, page.facts, {}, {}};
  if (!page.statistics_file.empty()) {
    JANG_ASSIGN(const format::Statistics statistics, format::read_statistics(page.statistics_file));
    add_sensitivities(report, page.model_type, statistics, &facts);
  }
  return experiment::model_page(report, facts);
}

Status write_model_page(const ModelReport& report, const ModelPage& page, const std::string& path) {
  JANG_ASSIGN(const std::string html, model_page(report, page));
  const std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
  Status written = write_text(temporary, html);
  if (written.ok() && std::rename(temporary.c_str(), path.c_str()) != 0)
    written = Status::write_error(fmt::format("cannot rename '{}' to '{}'", temporary, path));
  if (!written.ok()) std::remove(temporary.c_str());
  return written;
}

}  // namespace jang
