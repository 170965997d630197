// SPDX-License-Identifier: Apache-2.0
// Second moments of the inputs of linear maps.
#include "calibrate/moments.h"

#include <algorithm>
#include <memory>

#include "base/check.h"

namespace jang::calibrate {
namespace {

// Maps fed by the same input share one sum.
class Moments final : public model::Probe {
 public:
  explicit Moments(model::Decoder& decoder) : decoder_(decoder) {}

  void input(std::span<const std::string_view> modules, int expert, kernels::Device& device, const kernels::Tensor& x) override {
    const std::int64_t n = x.rows, n_cols = x.columns;
    rows_.resize(static_cast<std::size_t>(n * n_cols));
    if (!device.read(x, rows_.data()).ok()) return;  // the end of the forward reports it
    Sums& s = sums_of(modules, n_cols);
    const auto e = static_cast<std::size_t>(std::max(expert, 0));
    JANG_CHECK(e < s.tokens.size());
    double* sum = s.squares.data() + e * static_cast<std::size_t>(n_cols);
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n_cols; ++j) {
        const double v = rows_[static_cast<std::size_t>(i * n_cols + j)];
        sum[j] += v * v;
      }
    s.tokens[e] += n;
  }

  std::map<std::string, format::InputStatistics> statistics() const {
    std::map<std::string, format::InputStatistics> out;
    for (const auto& s : all_) {
      format::InputStatistics in;
      in.tokens = s->tokens;
      const std::size_t n_cols = s->squares.size() / s->tokens.size();
      for (std::size_t i = 0; i < s->squares.size(); ++i) {
        const auto seen = static_cast<double>(s->tokens[i / n_cols]);
        in.mean_square.push_back(seen > 0 ? static_cast<float>(s->squares[i] / seen) : 0.0f);
      }
      for (const std::string& module : s->modules) out.emplace(module, in);
    }
    return out;
  }

 private:
  struct Sums {
    std::vector<std::string> modules;
    std::vector<double> squares;       // [experts or 1, n_cols]
    std::vector<std::int64_t> tokens;  // [experts or 1]
  };

  Sums& sums_of(std::span<const std::string_view> modules, std::int64_t n_cols) {
    const auto found = by_module_.find(modules.front());
    if (found != by_module_.end()) return *found->second;
    const std::size_t n = decoder_.matrices(modules.front()).size();
    JANG_CHECK(n > 0);
    all_.push_back(std::make_unique<Sums>());
    Sums& s = *all_.back();
    s.modules.assign(modules.begin(), modules.end());
    s.squares.resize(n * static_cast<std::size_t>(n_cols));
    s.tokens.resize(n);
    for (const std::string& module : s.modules) by_module_.emplace(module, &s);
    return s;
  }

  model::Decoder& decoder_;
  std::vector<float> rows_;  // read from the device
  std::vector<std::unique_ptr<Sums>> all_;
  std::map<std::string, Sums*, std::less<>> by_module_;
};

}  // namespace

Result<std::map<std::string, format::InputStatistics>> measure_moments(engine::Engine& engine, const Windows& windows, Observer& observer,
                                                                       const CancelFlag* cancel) {
  model::Decoder& decoder = engine.decoder();
  const std::int64_t hidden_size = decoder.config().hidden;
  Moments moments(decoder);
  std::vector<float> hidden, logits(static_cast<std::size_t>(kHeadRows * decoder.config().vocab));
  decoder.set_probe(&moments);
  Status status;
  for (std::int64_t w = 0; w < windows.n() && status.ok(); ++w) {
    if (cancel && cancel->load(std::memory_order_relaxed)) status = Status(StatusCode::cancelled, "calibration stopped");
    model::Sequence sequence = engine.new_sequence();
    const model::BatchItem item{&sequence, windows.length};
    const std::span tokens(windows.tokens.data() + w * windows.length, static_cast<std::size_t>(windows.length));
    if (status.ok()) status = engine.forward({&item, 1}, tokens, &hidden);
    // The probe sees the head's input before the product: a few rows of logits per window would do, the input of all rows is wanted.
    for (std::int64_t i = 0; i < windows.length && status.ok(); i += kHeadRows)
      status = engine.logits(hidden.data() + i * hidden_size, std::min(kHeadRows, windows.length - i), logits.data());
    observer.tick(w + 1, windows.n(), "activations");
  }
  decoder.set_probe(nullptr);
  JANG_TRY(status);
  return moments.statistics();
}

}  // namespace jang::calibrate
