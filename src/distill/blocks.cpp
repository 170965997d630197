// SPDX-License-Identifier: Apache-2.0
// The loop around the blocks.
#include "distill/blocks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/phases.h"
#include "calibrate/output_grams.h"
#include "distill/block.h"
#include "distill/block_checkpoint.h"
#include "distill/divergence.h"
#include "distill/hidden_states.h"
#include "distill/pair.h"
#include "distill/rates.h"

namespace jang::distill {
namespace {

constexpr std::int64_t kGradientWindows = 32;    // of the text, at most
constexpr std::int64_t kBlockMeasurements = 10;  // of the loss on the windows held out, in the training of a block
constexpr double kTextShare = 0.2;               // of a budget, for sampling
constexpr std::int64_t kLogitTokens = 2048;      // whose logits are on the device at a time, whole windows

class BlockRun {
 public:
  BlockRun(engine::Engine& source, engine::Engine& bundle, int code_bits, const Options& options, Observer& observer,
           const CancelFlag* cancel)
      : source_(source), bundle_(bundle), code_bits_(code_bits), options_(options), observer_(observer), cancel_(cancel), kl_(source) {}
  // The bundle's own matrices are back in their places.
  ~BlockRun() {
    for (const auto& [path, views] : own_) JANG_CHECK(bundle_.decoder().replace(path, views).ok());
  }
  BlockRun(const BlockRun&) = delete;
  BlockRun& operator=(const BlockRun&) = delete;

  Result<BlocksOutcome> operator()() {
    JANG_TRY(check_options(options_));
    JANG_TRY(check_pair(bundle_, source_));
    JANG_TRY(find_own());
    settings_ = fmt::format("blocks 1;{};{};{};{};{};{};{};{};{}", fingerprint_of(bundle_, source_), code_bits_, options_.steps,
                            options_.rate, options_.text.n_windows, options_.text.length, options_.text.n_held_out, options_.text.seed,
                            XXH3_64bits(options_.text.given.data(), options_.text.given.size()));
    JANG_TRY(take_up());
    begin_phase(observer_, "text", "tokens");
    JANG_TRY(make_text());
    begin_phase(observer_, "train", "steps");
    JANG_TRY(weigh_outputs());
    JANG_TRY(start());
    for (int l = 0; l < n_layers(); ++l) JANG_TRY(layer(l));
    return finish();
  }

 private:
  [[nodiscard]] int n_layers() const { return bundle_.decoder().config().n_layers(); }

  // The packed matrices of the layers, which are put back in the end.
  Status find_own() {
    for (int l = 0; l < n_layers(); ++l) {
      for (const std::string& path : bundle_.decoder().modules_of(l)) {
        const auto views = bundle_.decoder().matrices(path);
        if (views.front().format.packed()) own_[path].assign(views.begin(), views.end());
      }
    }
    if (!own_.empty()) return {};
    return {StatusCode::invalid_argument, fmt::format("no layer of {} is packed: there is nothing to train", bundle_.directory())};
  }

  Status take_up() {
    if (options_.checkpoint_path.empty()) return {};
    std::string why;
    JANG_ASSIGN(std::optional<BlockProgress> found, read_block_checkpoint(options_.checkpoint_path, settings_, bundle_, &why));
    if (!why.empty()) observer_.warn(fmt::format("{} is not taken up, starting anew: {}", options_.checkpoint_path, why));
    if (!found) return {};
    progress_ = *std::move(found);
    taken_up_ = true;
    observer_.info(fmt::format("taking up {}: {} of {} blocks are done", options_.checkpoint_path, progress_.blocks.size(), n_layers()));
    if (progress_.device != bundle_.device().name())
      observer_.warn(fmt::format("it was begun on {} and goes on on {}: the result is as good, but not to the byte that of either",
                                 progress_.device, bundle_.device().name()));
    return {};
  }

  // Windows of as many steps as hidden states, and a budget, allow.
  Status make_text() {
    TextOptions wanted = options_.text;
    wanted.n_steps = options_.steps;
    const std::int64_t step_bytes = 2 * 4 * wanted.n_windows * wanted.length * bundle_.decoder().config().hidden;
    std::int64_t n = std::clamp<std::int64_t>(kStateBytes / step_bytes, 1, options_.steps);
    if (taken_up_) n = progress_.text_steps;
    JANG_ASSIGN(Text text, Text::create(source_, wanted, observer_, cancel_));
    held_out_ = text.held_out();
    windows_.length = wanted.length;
    const auto begun = Clock::now();
    for (std::int64_t step = 0; step < n; ++step) {
      JANG_ASSIGN(const calibrate::Windows of_step, text.of_step(step));
      windows_.tokens.insert(windows_.tokens.end(), of_step.tokens.begin(), of_step.tokens.end());
      observer_.tick((step + 1) * wanted.n_windows * wanted.length, n * wanted.n_windows * wanted.length, "sampling text");
      const bool late = !taken_up_ && options_.budget_seconds > 0 && seconds_since(begun) > kTextShare * options_.budget_seconds;
      if (late) n = std::min(n, (step / text.steps_at_once() + 1) * text.steps_at_once());  // what is sampled already
    }
    progress_.text_steps = n;
    return {};
  }

  // As long as a few steps: not worth a phase.
  Status weigh_outputs() {
    calibrate::Windows some = windows_;
    some.tokens.resize(static_cast<std::size_t>(std::min(kGradientWindows, windows_.n()) * windows_.length));
    SilentObserver silent;
    JANG_ASSIGN(grams_, calibrate::measure_output_grams(source_, some, options_.text.seed, silent, cancel_));
    return {};
  }

  Status start() {
    JANG_ASSIGN(HiddenStates source_train, HiddenStates::embed(source_, windows_));
    JANG_ASSIGN(HiddenStates source_held, HiddenStates::embed(source_, held_out_));
    JANG_ASSIGN(HiddenStates train, HiddenStates::embed(bundle_, windows_));
    JANG_ASSIGN(HiddenStates held, HiddenStates::embed(bundle_, held_out_));
    HiddenStates last = source_held;
    JANG_TRY(last.advance(0, n_layers(), cancel_));
    const std::span<const float> all = last.of(0, last.n_windows());
    source_last_.assign(all.begin(), all.end());
    source_train_.emplace(std::move(source_train));
    source_held_.emplace(std::move(source_held));
    train_.emplace(std::move(train));
    held_.emplace(std::move(held));
    if (taken_up_) return {};
    progress_.steps = options_.steps;
    progress_.device = bundle_.device().name();
    JANG_ASSIGN(progress_.start_divergence, divergence(*held_, 0));
    if (!std::isfinite(progress_.start_divergence))
      return {StatusCode::corrupt, "the bundle, or its source, predicts no numbers: there is nothing to learn"};
    return save();
  }

  // Mean KL(source || bundle) on the windows held out, whose states before layer `begin` are given.
  Result<double> divergence(HiddenStates states, int begin) {
    JANG_TRY(states.advance(begin, n_layers(), cancel_));
    kernels::Device& device = bundle_.device();
    const std::int64_t width = bundle_.decoder().config().hidden, vocab = bundle_.decoder().config().vocab, length = states.length();
    const std::int64_t at_once = std::clamp<std::int64_t>(kLogitTokens / length, 1, states.n_windows());
    double sum = 0;
    for (std::int64_t first = 0; first < states.n_windows(); first += at_once) {
      const std::int64_t n = std::min(at_once, states.n_windows() - first), tokens = n * length;
      if (!hidden_.reserve(device, tokens * width) || !logits_.reserve(device, tokens * vocab))
        return Status(StatusCode::out_of_memory, fmt::format("no memory for the predictions of {} tokens", tokens));
      const kernels::Tensor x = hidden_.matrix(tokens, width), logits = logits_.matrix(tokens, vocab);
      JANG_TRY(device.write(states.of(first, n).data(), x));
      JANG_TRY(bundle_.decoder().head(x, logits));
      const float* wanted = source_last_.data() + first * length * width;
      JANG_ASSIGN(const double of_part, kl_.sum({wanted, wanted + tokens * width}, 0, logits));
      sum += of_part;
    }
    return std::isfinite(sum) ? sum / static_cast<double>(states.n_windows() * length) : std::numeric_limits<double>::infinity();
  }

  // States behind the layer from those before it; what is wanted first.
  Status layer(int l) {
    JANG_TRY(source_train_->advance(l, l + 1, cancel_));
    JANG_TRY(source_held_->advance(l, l + 1, cancel_));
    const bool done = static_cast<std::size_t>(l) < progress_.blocks.size();
    if (!done) {
      JANG_TRY(train_block(l));
      JANG_TRY(save());
    }
    for (const std::string& path : bundle_.decoder().modules_of(l))
      if (const auto kept = progress_.kept.find(path); kept != progress_.kept.end()) JANG_TRY(put(path, kept->second));
    JANG_TRY(train_->advance(l, l + 1, cancel_));
    return held_->advance(l, l + 1, cancel_);
  }
  Status put(const std::string& path, const StoredBytes& bytes) { return bundle_.decoder().replace(path, views_of(bytes, own_.at(path))); }

  Status train_block(int l) {
    DistilledBlock done;
    done.layer = l;
    done.divergence = last_divergence();
    StoredBytesOfModules best;
    {
      JANG_ASSIGN(const std::unique_ptr<Block> block,
                  Block::create(bundle_, source_, l, grams_.by_layer[static_cast<std::size_t>(l)], code_bits_));
      if (block->trains()) JANG_TRY(train(*block, &done, &best));
    }
    if (!best.empty()) {
      for (const auto& [path, bytes] : best) JANG_TRY(put(path, bytes));
      HiddenStates behind = *held_;
      JANG_TRY(behind.advance(l, l + 1, cancel_));
      JANG_ASSIGN(const double reached, divergence(std::move(behind), l + 1));
      if (reached < done.divergence) {
        done.divergence = reached;
        progress_.kept.merge(best);
      } else {
        done.kept_step = 0;
        for (const auto& [path, bytes] : best) JANG_TRY(bundle_.decoder().replace(path, own_.at(path)));
      }
    }
    progress_.blocks.push_back(done);
    observer_.info(fmt::format("layer {}: loss {:.6f}, {:.6f} before, rate {}; divergence {:.5f}{}", l, done.loss, done.start_loss,
                               done.rate, done.divergence, done.kept_step == 0 ? ", left as it was" : ""));
    return {};
  }
  [[nodiscard]] double last_divergence() const {
    return progress_.blocks.empty() ? progress_.start_divergence : progress_.blocks.back().divergence;
  }

  Status train(Block& block, DistilledBlock* done, StoredBytesOfModules* best) {
    JANG_ASSIGN(done->start_loss, held_out_loss(block));
    done->loss = done->start_loss;
    if (!timed_) JANG_TRY(fit_budget(block));
    done->rate = options_.rate;
    if (done->rate == 0) {
      JANG_ASSIGN(done->rate, choose_rate(block));
    }
    const std::int64_t steps = progress_.steps, every = std::max<std::int64_t>(1, steps / kBlockMeasurements);
    for (std::int64_t at = 0; at < steps; ++at) {
      JANG_ASSIGN(const double loss, step(block, at, steps, done->rate));
      if (!std::isfinite(loss)) break;
      observer_.tick(done->layer * steps + at + 1, n_layers() * steps, fmt::format("layer {}, loss {:.6f}", done->layer, loss));
      if ((at + 1) % every != 0 && at + 1 != steps) continue;
      JANG_ASSIGN(const double held_out, held_out_loss(block));
      if (!(held_out < done->loss)) continue;
      done->loss = held_out;
      done->kept_step = at + 1;
      best->clear();
      JANG_ASSIGN(const StoredModules stored, block.stored());
      for (const auto& [path, values] : stored) best->emplace(path, bytes_of(values, own_.at(path)));
    }
    return {};
  }

  // Mean loss of the windows of a step of a run of `steps`, before it.
  Result<double> step(Block& block, std::int64_t at, std::int64_t steps, double rate) {
    if (cancel_ != nullptr && cancel_->load(std::memory_order_relaxed)) return Status(StatusCode::cancelled, "distillation stopped");
    const std::int64_t n = options_.text.n_windows, first = at % progress_.text_steps * n;
    JANG_ASSIGN(const double sum, block.learn(train_->of(first, n), source_train_->of(first, n), windows_.length));
    if (std::isfinite(sum)) JANG_TRY(block.step(rate * schedule(at, steps), at + 1));
    return sum / static_cast<double>(n * windows_.length);
  }
  Result<double> held_out_loss(Block& block) {
    const std::int64_t n = held_->n_windows();
    JANG_ASSIGN(const double sum, block.loss(held_->of(0, n), source_held_->of(0, n), held_->length()));
    return std::isfinite(sum) ? sum / static_cast<double>(n * held_->length()) : std::numeric_limits<double>::infinity();
  }

  Result<double> choose_rate(Block& block) {
    std::vector<DistillationTrial> trials;
    const std::int64_t steps = trial_steps(progress_.steps);
    while (const std::optional<double> multiplier = next_multiplier(trials)) {
      double reached = 0;
      for (std::int64_t at = 0; at < steps && std::isfinite(reached); ++at) {
        JANG_ASSIGN(reached, step(block, at, steps, *multiplier));
      }
      if (std::isfinite(reached)) {
        JANG_ASSIGN(reached, held_out_loss(block));
      }
      trials.push_back({*multiplier, std::isfinite(reached) ? reached : std::numeric_limits<double>::infinity()});
      JANG_TRY(block.reset());
    }
    return best_multiplier(trials);
  }

  // Says what all blocks will take, by two steps of the first, and takes steps away that a budget does not hold.
  Status fit_budget(Block& block) {
    timed_ = true;
    double seconds = 0;
    for (std::int64_t at = 0; at < std::min<std::int64_t>(2, progress_.steps); ++at) {  // the first makes room
      const auto begun = Clock::now();
      JANG_TRY(step(block, at, progress_.steps, 1).status());
      seconds = seconds_since(begun);
    }
    JANG_TRY(block.reset());
    const auto left_layers = static_cast<double>(n_layers()) - static_cast<double>(progress_.blocks.size());
    const auto takes = [&](std::int64_t steps) {
      const auto trials = static_cast<double>(options_.rate == 0 ? 2 * trial_steps(steps) : 0);
      return left_layers * seconds * (static_cast<double>(steps) + trials);
    };
    if (options_.budget_seconds > 0 && progress_.blocks.empty()) {
      const double left = options_.budget_seconds - seconds_since(begun_);
      while (progress_.steps > 1 && takes(progress_.steps) > left) progress_.steps -= std::max<std::int64_t>(1, progress_.steps / 16);
      if (progress_.steps < options_.steps)
        observer_.warn(fmt::format("a budget of {:.0f} s allows {} of {} steps", options_.budget_seconds, progress_.steps, options_.steps));
      progress_.text_steps = std::min(progress_.text_steps, progress_.steps);
    }
    observer_.info(fmt::format("a step of a block takes {:.2f} s, all about {:.0f} s", seconds, takes(progress_.steps)));
    return {};
  }

  Status save() {
    if (options_.checkpoint_path.empty()) return {};
    return write_block_checkpoint(options_.checkpoint_path, settings_, progress_, bundle_);
  }

  Result<BlocksOutcome> finish() {
    BlocksOutcome out;
    DistillationReport& r = out.report;
    r.steps = progress_.steps;
    r.rate = options_.rate;
    r.blocks = progress_.blocks;
    r.start_divergence = progress_.start_divergence;
    r.divergence = last_divergence();
    r.points.push_back({0, progress_.start_divergence});
    for (const DistilledBlock& b : progress_.blocks) {
      r.points.push_back({b.layer + 1, b.divergence});
      r.kept_step = std::max(r.kept_step, b.kept_step);
    }
    std::int64_t changed = 0;
    for (const auto& [path, views] : own_) {
      r.trained_weights += static_cast<std::int64_t>(views.size()) * views.front().n_rows * views.front().n_cols;
      if (const auto kept = progress_.kept.find(path); kept != progress_.kept.end()) changed += changed_codes(kept->second, views);
    }
    r.changed_codes = static_cast<double>(changed) / static_cast<double>(std::max<std::int64_t>(1, r.trained_weights));
    for (const auto& [path, views] : own_) JANG_TRY(bundle_.decoder().replace(path, views));
    out.best = std::move(progress_.kept);
    return out;
  }

  engine::Engine& source_;
  engine::Engine& bundle_;
  int code_bits_;
  const Options& options_;
  Observer& observer_;
  const CancelFlag* cancel_;
  Divergence kl_;
  std::string settings_;
  std::map<std::string, std::vector<kernels::MatrixView>> own_;  // packed matrices of the layers, by module path
  BlockProgress progress_;
  bool taken_up_ = false, timed_ = false;
  Clock::time_point begun_ = Clock::now();
  calibrate::Windows windows_, held_out_;
  calibrate::OutputGrams grams_;
  std::optional<HiddenStates> source_train_, source_held_, train_, held_;
  std::vector<float> source_last_;  // of the windows held out, behind the source's last layer
  model::Array hidden_, logits_;
};

}  // namespace

Result<BlocksOutcome> distill_blocks(engine::Engine& source, engine::Engine& bundle, int code_bits, const Options& options,
                                     Observer& observer, const CancelFlag* cancel) {
  return BlockRun(source, bundle, code_bits, options, observer, cancel)();
}

}  // namespace jang::distill
