// SPDX-License-Identifier: Apache-2.0
// A whole distillation in small: it learns, repeats on any number of threads, goes on where it was stopped, and is never worse than its
// start.
#include "distill/distill.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "../support/bundled_model.h"
#include "../support/contains.h"
#include "../support/test_device.h"
#include "distill/checkpoint.h"
#include "jang/convert.h"

namespace jang::distill {
namespace {

namespace fs = std::filesystem;

// Stops after a number of ticks of a phase.
class Stopper final : public SilentObserver {
 public:
  Stopper(std::string phase, int ticks) : wanted_(std::move(phase)), left_(ticks) {}
  void phase(int, int, std::string_view name) override { now_ = name; }
  void tick(std::int64_t, std::int64_t, std::string_view) override {
    if (now_ == wanted_ && --left_ == 0) cancel = true;
  }
  void warn(std::string_view message) override { warnings += std::string(message) + "\n"; }
  void info(std::string_view message) override { infos += std::string(message) + "\n"; }
  CancelFlag cancel = false;
  std::string warnings, infos;

 private:
  std::string wanted_, now_;
  int left_;
};

class Distill : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string pattern = (fs::temp_directory_path() / "jang_distill_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    ConvertOptions options;
    options.plan.profile = "uniform_2";
    options.plan.method = Method::rtn;
    options.output = bundle();
    const Result<ConvertReport> made = convert_model(test::kBundledModel, options, {.threads = 2});
    ASSERT_TRUE(made.ok()) << made.status().message();
  }
  static void TearDownTestSuite() { fs::remove_all(directory_); }
  static std::string bundle() { return directory_ + "/bundle"; }

  struct Pair {
    std::unique_ptr<engine::Engine> source, packed;
    std::unique_ptr<Student> student;
  };
  static std::unique_ptr<engine::Engine> load(const std::string& directory, int threads, engine::Engine* beside = nullptr) {
    engine::LoadOptions options;
    options.n_threads = threads;
    options.precision = kernels::Precision::exact;
    options.beside = beside;
    auto engine = engine::Engine::load(directory, test::on_test_device(options));
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    return engine.ok() ? std::move(engine).value() : nullptr;
  }
  static Pair open(int threads = 2, int code_bits = 4) {
    Pair pair{load(test::kBundledModel, threads), nullptr, nullptr};
    pair.packed = load(bundle(), threads, pair.source.get());
    auto student = Student::create(*pair.packed, *pair.source, code_bits);
    EXPECT_TRUE(student.ok()) << student.status().message();
    if (student.ok()) pair.student = std::move(student).value();
    return pair;
  }
  static Options little(std::int64_t steps = 6) {
    Options o;
    o.text = {.n_windows = 2, .length = 24, .n_held_out = 2, .seed = 3};
    o.steps = steps;
    o.rate = 1;
    return o;
  }
  static Outcome run(Pair& pair, const Options& options) {
    SilentObserver silent;
    auto done = distill(*pair.source, *pair.student, options, silent, nullptr);
    EXPECT_TRUE(done.ok()) << done.status().message();
    return done.ok() ? std::move(done).value() : Outcome{};
  }
  static bool same(const StoredModules& a, const StoredModules& b) {
    return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
      return x.first == y.first && x.second.codes == y.second.codes && x.second.scales == y.second.scales &&
             x.second.biases == y.second.biases;
    });
  }
  static inline std::string directory_;
};

TEST_F(Distill, learns_and_threads_change_nothing) {
  Pair two = open(2), one = open(1);
  ASSERT_TRUE(two.student && one.student);
  const Outcome a = run(two, little(12)), b = run(one, little(12));
  EXPECT_LT(a.report.divergence, 0.95 * a.report.start_divergence);
  EXPECT_GT(a.report.kept_step, 0);
  EXPECT_GT(a.report.changed_codes, 0);
  EXPECT_EQ(a.report.points.front().step, 0);
  EXPECT_EQ(a.report.points.size(), 13u);  // few steps: each is measured
  EXPECT_TRUE(same(a.best, b.best));
  EXPECT_EQ(a.report.divergence, b.report.divergence);
}

TEST_F(Distill, reports_the_step_it_kept_and_puts_the_start_back) {
  Pair pair = open();
  ASSERT_TRUE(pair.student);
  const Options options = little();
  const Outcome done = run(pair, options);
  SilentObserver silent;
  auto text = Text::create(*pair.source, options.text, silent, nullptr);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*pair.student->measure(text->held_out()), done.report.start_divergence);  // it was put back
  EXPECT_EQ(done.report.points[static_cast<std::size_t>(done.report.kept_step)].divergence, done.report.divergence);
}

TEST_F(Distill, codes_rest_where_they_are_too_wide) {
  Pair pair = open(2, 0);
  ASSERT_TRUE(pair.student);
  const Outcome done = run(pair, little());
  EXPECT_EQ(done.report.changed_codes, 0);
  EXPECT_LT(done.report.divergence, done.report.start_divergence);  // scales and biases learn
}

TEST_F(Distill, a_rate_that_destroys_the_model_leaves_it_as_it_was) {
  Pair pair = open();
  ASSERT_TRUE(pair.student);
  const StoredModules start = pair.student->stored().value();
  Options wild = little();
  wild.rate = 1000;
  const Outcome done = run(pair, wild);
  EXPECT_EQ(done.report.kept_step, 0);
  EXPECT_EQ(done.report.divergence, done.report.start_divergence);
  EXPECT_TRUE(same(done.best, start));
}

TEST_F(Distill, short_runs_choose_the_rate) {
  Pair pair = open();
  ASSERT_TRUE(pair.student);
  Options automatic = little(4);
  automatic.rate = 0;
  const Outcome done = run(pair, automatic);
  ASSERT_GE(done.report.trials.size(), 2u);  // the first is taken only when the second is worse
  EXPECT_EQ(done.report.trials[0].rate, 1);
  const auto best = std::ranges::min_element(done.report.trials, {}, &DistillationTrial::divergence);
  EXPECT_EQ(done.report.rate, best->rate);
  Pair other = open();
  Options given = little(4);
  given.rate = best->rate;
  EXPECT_TRUE(same(done.best, run(other, given).best));  // nothing of the short runs is left
}

TEST_F(Distill, interrupted_it_goes_on_to_the_same_values) {
  Options options = little();
  Pair whole = open();
  ASSERT_TRUE(whole.student);
  const Outcome expected = run(whole, options);
  options.checkpoint_path = directory_ + "/training";
  {
    Pair pair = open();
    Stopper stopper("train", 3);
    const auto stopped = distill(*pair.source, *pair.student, options, stopper, &stopper.cancel);
    ASSERT_EQ(stopped.status().code(), StatusCode::cancelled) << stopped.status().message();
    ASSERT_TRUE(fs::exists(options.checkpoint_path));
  }
  {
    Pair pair = open(1);
    Stopper watcher("", 0);
    const auto done = distill(*pair.source, *pair.student, options, watcher, nullptr);
    ASSERT_TRUE(done.ok()) << done.status().message();
    EXPECT_TRUE(test::contains(watcher.infos, "3 of 6 steps")) << watcher.infos;
    EXPECT_TRUE(same(done->best, expected.best));
    EXPECT_EQ(done->report.points.size(), expected.report.points.size());
  }
}

// Another run's checkpoint, and damaged ones, are said to be so and not taken; what is no checkpoint is not overwritten.
TEST_F(Distill, checkpoints_that_are_not_its_own) {
  Options options = little();
  options.checkpoint_path = directory_ + "/checkpoint";
  Pair first = open();
  const Outcome expected = run(first, options);
  const auto content = [&] {
    std::ifstream file(options.checkpoint_path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string whole = content();
  const auto put = [&](const std::string& bytes) { std::ofstream(options.checkpoint_path, std::ios::binary) << bytes; };
  const auto expect_anew = [&](const Options& o, std::string_view why) {
    Pair pair = open();
    Stopper watcher("", 0);
    const auto done = distill(*pair.source, *pair.student, o, watcher, nullptr);
    ASSERT_TRUE(done.ok()) << done.status().message();
    EXPECT_TRUE(test::contains(watcher.warnings, "not taken up")) << watcher.warnings;
    EXPECT_TRUE(test::contains(watcher.warnings, why)) << watcher.warnings;
    if (o.text.seed == options.text.seed) {
      EXPECT_TRUE(same(done->best, expected.best));
    }
  };
  Options other = options;
  other.text.seed = 4;
  put(whole);
  expect_anew(other, "another run");
  std::string bytes = whole;
  bytes[bytes.size() - 100] ^= 1;
  put(bytes);
  expect_anew(options, "checksum");
  const auto replace = [&](std::string_view from, std::string_view to) {
    bytes = whole;
    bytes.replace(bytes.find(from), from.size(), to);
    put(bytes);
  };
  replace("\\\"rate\\\":1.0", "\\\"rate\\\":-10");
  expect_anew(options, "damaged");
  replace("\\\"points\\\":[[0", "\\\"points\\\":[[7");
  expect_anew(options, "damaged");
  for (const std::string& foreign : {std::string("mine"), std::string(100, '\0')}) {
    put(foreign);
    Pair pair = open();
    SilentObserver silent;
    const auto refused = distill(*pair.source, *pair.student, options, silent, nullptr);
    EXPECT_EQ(refused.status().code(), StatusCode::invalid_argument);
    EXPECT_TRUE(test::contains(refused.status().message(), "in the way")) << refused.status().message();
    EXPECT_EQ(content(), foreign);
  }
}

TEST_F(Distill, a_search_for_the_rate_goes_on_where_it_was) {
  Options options = little(4);
  options.rate = 0;
  Pair whole = open();
  const Outcome expected = run(whole, options);
  options.checkpoint_path = directory_ + "/searching";
  {
    Pair pair = open();
    Stopper stopper("rate", 6);  // in the second of the runs of four steps
    const auto stopped = distill(*pair.source, *pair.student, options, stopper, &stopper.cancel);
    ASSERT_EQ(stopped.status().code(), StatusCode::cancelled) << stopped.status().message();
  }
  Pair pair = open();
  Stopper watcher("", 0);
  const auto done = distill(*pair.source, *pair.student, options, watcher, nullptr);
  ASSERT_TRUE(done.ok()) << done.status().message();
  EXPECT_FALSE(test::contains(watcher.infos, "rate 1:")) << watcher.infos;  // known already
  EXPECT_TRUE(test::contains(watcher.infos, "rate 0.5:")) << watcher.infos;
  EXPECT_EQ(done->report.trials.size(), expected.report.trials.size());
  EXPECT_EQ(done->report.rate, expected.report.rate);
  EXPECT_TRUE(same(done->best, expected.best));
}

TEST_F(Distill, a_run_knows_its_source_and_its_bundle) {
  ConvertOptions options;
  options.plan.profile = "uniform_8";
  options.plan.method = Method::rtn;
  options.output = directory_ + "/near";
  ASSERT_TRUE(convert_model(test::kBundledModel, options, {.threads = 2}).ok());
  Pair pair = open(1, 0), again = open(2, 0);
  EXPECT_EQ(pair.student->fingerprint(), again.student->fingerprint());
  EXPECT_NE(pair.student->fingerprint(), open(1, 4).student->fingerprint());
  const auto near = load(directory_ + "/near", 1), packed = load(bundle(), 1, near.get());
  const auto other = Student::create(*packed, *near, 0);  // no code learns: the source is in the predictions only
  ASSERT_TRUE(other.ok()) << other.status().message();
  EXPECT_NE(pair.student->fingerprint(), other.value()->fingerprint());
}

TEST_F(Distill, a_budget_takes_steps_away) {
  Pair pair = open();
  ASSERT_TRUE(pair.student);
  Options tight = little(100000);
  tight.budget_seconds = 1e-3;
  Stopper watcher("", 0);
  const auto done = distill(*pair.source, *pair.student, tight, watcher, nullptr);
  ASSERT_TRUE(done.ok()) << done.status().message();
  EXPECT_EQ(done->report.steps, 1);
  EXPECT_TRUE(test::contains(watcher.warnings, "1 of 100000 steps")) << watcher.warnings;
}

TEST_F(Distill, options_that_make_no_sense_are_refused) {
  Pair pair = open();
  ASSERT_TRUE(pair.student);
  SilentObserver silent;
  const auto refused = [&](const auto& change) {
    Options o = little();
    change(o);
    return distill(*pair.source, *pair.student, o, silent, nullptr).status().code() == StatusCode::invalid_argument;
  };
  EXPECT_TRUE(refused([](Options& o) { o.steps = 0; }));
  EXPECT_TRUE(refused([](Options& o) { o.text.n_windows = 0; }));
  EXPECT_TRUE(refused([](Options& o) { o.text.length = 1; }));
  EXPECT_TRUE(refused([](Options& o) { o.rate = -1; }));
  EXPECT_TRUE(refused([](Options& o) { o.budget_seconds = std::nan(""); }));
  EXPECT_TRUE(refused([](Options& o) { o.text.given = "too short"; }));
  EXPECT_TRUE(refused([](Options& o) {
    o.text.given = std::string(4000, 'a');
    o.text.n_windows = 1;
  }));
}

TEST_F(Distill, a_source_against_itself_has_nothing_to_train) {
  const auto a = load(test::kBundledModel, 1), b = load(test::kBundledModel, 1, a.get());
  const auto student = Student::create(*a, *b, 4);
  EXPECT_EQ(student.status().code(), StatusCode::invalid_argument);
  EXPECT_TRUE(test::contains(student.status().message(), "nothing")) << student.status().message();
}

TEST_F(Distill, text_depends_on_the_step_only) {
  const auto source = load(test::kBundledModel, 2);
  SilentObserver silent;
  TextOptions options{.n_windows = 3, .length = 12, .n_held_out = 2, .seed = 5};
  auto in_order = Text::create(*source, options, silent, nullptr), at_once = Text::create(*source, options, silent, nullptr);
  ASSERT_TRUE(in_order.ok() && at_once.ok());
  std::vector<std::vector<std::int32_t>> seen;
  for (int step = 0; step < 6; ++step) {
    const auto windows = in_order->of_step(step);
    ASSERT_TRUE(windows.ok());
    EXPECT_EQ(windows->n(), 3);
    for (const auto& before : seen) EXPECT_NE(before, windows->tokens);
    seen.push_back(windows->tokens);
  }
  EXPECT_EQ(at_once->of_step(5)->tokens, seen[5]);
  EXPECT_EQ(at_once->of_step(0)->tokens, seen[0]);
  TextOptions fewer = options;  // what is sampled side by side does not matter
  fewer.n_steps = 5;
  auto short_run = Text::create(*source, fewer, silent, nullptr);
  ASSERT_TRUE(short_run.ok());
  EXPECT_EQ(short_run->of_step(4)->tokens, seen[4]);
  std::ifstream file(test::kBundledText);
  options.given.assign(std::istreambuf_iterator<char>(file), {});
  auto mixed = Text::create(*source, options, silent, nullptr);
  ASSERT_TRUE(mixed.ok()) << mixed.status().message();
  EXPECT_GT(mixed->held_out().n(), 2);
  const auto first = mixed->of_step(0), second = mixed->of_step(1);
  ASSERT_TRUE(first.ok() && second.ok());
  const std::vector<std::int32_t> a(first->tokens.end() - 12, first->tokens.end()), b(second->tokens.end() - 12, second->tokens.end());
  EXPECT_NE(a, b);  // one window of three comes from the text, the next each step
  const auto& held_out = mixed->held_out().tokens;
  EXPECT_EQ(std::ranges::search(held_out, a).begin(), held_out.end());  // what is held out is not trained on
}

}  // namespace
}  // namespace jang::distill
