// SPDX-License-Identifier: Apache-2.0
// The built program on the bundled model, as a user runs it: documents, exit codes, what is left on disk. Each case has its own temporary
// working directory.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "../support/program.h"

namespace jang::cli {
namespace {

using namespace jang::test;

using EndToEnd = ProgramTest;

const char* const kSharedKeys[] = {"schema_version", "profile", "method", "params", "code_bits", "stored_bits", "file_bytes", "tensors"};
const char* const kTensorKeys[] = {"name", "role", "tier", "rule", "bits", "group_size", "params", "bytes", "error"};

void expect_shared_keys(const json::Value& document) {
  for (const char* key : kSharedKeys) EXPECT_TRUE(document.contains(key)) << key;
  ASSERT_TRUE(document["tensors"].is_array());
  ASSERT_FALSE(document["tensors"].empty());
  for (const json::Value& row : document["tensors"])
    for (const char* key : kTensorKeys) ASSERT_TRUE(row.contains(key)) << key << " in " << row.dump();
}

TEST_F(EndToEnd, convert_plan_and_inspect_agree) {
  const std::string model = kBundledModel;
  const ProgramOutcome planned = run({"plan", model, "--json"});
  const ProgramOutcome converted = run({"convert", model, "-o", "out", "--json", "--progress", "off"});
  ASSERT_EQ(planned.code, 0) << planned.err;
  ASSERT_EQ(converted.code, 0) << converted.err;
  const ProgramOutcome inspected = run({"inspect", "out", "--json"});
  ASSERT_EQ(inspected.code, 0) << inspected.err;
  const json::Value plan = document(planned), done = document(converted), seen = document(inspected);
  for (const json::Value* d : {&plan, &done, &seen}) {
    expect_shared_keys(*d);
    EXPECT_EQ((*d)["profile"], "JANG_4K");
    EXPECT_EQ((*d)["method"], "fit");
    EXPECT_EQ((*d)["params"], plan["params"]);
    EXPECT_EQ((*d)["file_bytes"], plan["file_bytes"]);
    EXPECT_NEAR((*d)["code_bits"].get<double>(), plan["code_bits"].get<double>(), 1e-9);
    EXPECT_NEAR((*d)["stored_bits"].get<double>(), plan["stored_bits"].get<double>(), 1e-9);
    EXPECT_EQ((*d)["tensors"].size(), plan["tensors"].size());
  }
  EXPECT_GT(done["seconds"].get<double>(), 0);
  EXPECT_GT(done["peak_rss_bytes"].get<std::uint64_t>(), 1'000'000u);
  EXPECT_EQ(done["output"], "out");
  std::uint64_t on_disk = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(dir_ / "out"))
    if (entry.path().extension() == ".safetensors") on_disk += entry.file_size();
  EXPECT_EQ(done["file_bytes"].get<std::uint64_t>(), on_disk);
  EXPECT_EQ(left(), std::vector<std::string>{"out"});
}

TEST_F(EndToEnd, converted_tensors_carry_their_error) {
  const ProgramOutcome converted = run({"convert", kBundledModel, "-o", "out", "--json", "-q"});
  ASSERT_EQ(converted.code, 0) << converted.err;
  EXPECT_EQ(converted.err, "");
  int n_measured = 0;
  const json::Value done = document(converted);
  for (const json::Value& row : done["tensors"]) {
    if (row["error"].is_null()) continue;
    ++n_measured;
    EXPECT_GT(row["error"].get<double>(), 0) << row["name"];
    EXPECT_LT(row["error"].get<double>(), 0.2) << row["name"];
  }
  EXPECT_GT(n_measured, 20);
}

TEST_F(EndToEnd, default_output_is_named_after_source_and_profile) {
  const ProgramOutcome done = run({"convert", kBundledModel + "/", "-p", "4k"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(left(), std::vector<std::string>{"gutenberg-moe-9m-JANG_4K"});
  for (const char* part :
       {"MB (", "MiB)", "code bits", "stored bits", "mean error", "time", "peak memory", "mlx_lm.generate --model", "jang validate"})
    EXPECT_TRUE(contains(done.out, part)) << part << " in\n" << done.out;
}

TEST_F(EndToEnd, default_profile_serves_without_a_warning) {
  const ProgramOutcome done = run({"convert", kBundledModel});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(left(), std::vector<std::string>{"gutenberg-moe-9m-JANG_4K"});
  EXPECT_FALSE(contains(done.err, "warning")) << done.err;
  const ProgramOutcome again = run({"convert", kBundledModel, "--stats", "nowhere.safetensors"});  // refused before anything is read
  EXPECT_EQ(again.code, 2) << again.err;
  EXPECT_TRUE(contains(again.err, "exists already")) << again.err;
  const ProgramOutcome poor = run({"convert", kBundledModel, "-p", "2L", "-o", "asked-for"});
  ASSERT_EQ(poor.code, 0) << poor.err;
  EXPECT_TRUE(contains(poor.err, "warning: JANG_2L is a poor use of its bytes")) << poor.err;
}

TEST_F(EndToEnd, hub_name_is_found_in_the_local_cache) {
  const std::string revision(40, 'a');
  const fs::path repository = dir_ / ".cache" / "huggingface" / "hub" / "models--jane--emma-9m-BF16";
  fs::create_directories(repository / "refs");
  fs::create_directories(repository / "snapshots" / revision);
  std::ofstream(repository / "refs" / "main") << revision;
  for (const fs::directory_entry& entry : fs::directory_iterator(kBundledModel))
    fs::create_symlink(entry.path(), repository / "snapshots" / revision / entry.path().filename());
  const ProgramOutcome done = run({"convert", "jane/emma-9m-BF16", "--json", "-q"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(document(done)["output"], "emma-9m-JANG_4K");
  EXPECT_TRUE(fs::exists(dir_ / "emma-9m-JANG_4K" / "config.json"));
}

TEST_F(EndToEnd, plan_file_gives_the_same_bundle) {
  const std::string model = kBundledModel;
  const ProgramOutcome planned = run({"plan", model, "-p", "3M", "--json"});
  ASSERT_EQ(planned.code, 0) << planned.err;
  std::ofstream(dir_ / "plan.json") << planned.out;
  ASSERT_EQ(run({"convert", model, "-p", "3M", "-o", "a"}).code, 0);
  const ProgramOutcome by_plan = run({"convert", model, "--plan", "plan.json", "-o", "b"});
  ASSERT_EQ(by_plan.code, 0) << by_plan.err;
  EXPECT_EQ(read_file(dir_ / "a" / "model.safetensors"), read_file(dir_ / "b" / "model.safetensors"));
  const ProgramOutcome both = run({"convert", model, "--plan", "plan.json", "-p", "2S", "-o", "c"});
  EXPECT_EQ(both.code, 2) << both.err;
}

TEST_F(EndToEnd, document_of_convert_is_a_plan_too) {
  const std::string model = kBundledModel;
  const ProgramOutcome converted = run({"convert", model, "-p", "2L", "-o", "a", "--json"});
  ASSERT_EQ(converted.code, 0) << converted.err;
  std::ofstream(dir_ / "report.json") << converted.out;
  const ProgramOutcome again = run({"convert", model, "--plan", "report.json", "-o", "b"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(read_file(dir_ / "a" / "model.safetensors"), read_file(dir_ / "b" / "model.safetensors"));
}

TEST_F(EndToEnd, explain_lists_every_tensor_with_its_rule) {
  const ProgramOutcome explained = run({"plan", kBundledModel, "--explain"});
  ASSERT_EQ(explained.code, 0) << explained.err;
  const json::Value plan = document(run({"plan", kBundledModel, "--json"}));
  ASSERT_FALSE(plan["tensors"].empty());
  for (const json::Value& row : plan["tensors"]) {
    EXPECT_TRUE(contains(explained.out, row["name"].get<std::string>())) << row["name"];
    EXPECT_TRUE(contains(explained.out, row["rule"].get<std::string>())) << row["rule"];
  }
}

TEST_F(EndToEnd, dry_run_writes_nothing) {
  const ProgramOutcome dry = run({"convert", kBundledModel, "--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.err;
  EXPECT_TRUE(contains(dry.out, "gutenberg-moe-9m-JANG_4K"));
  expect_shared_keys(document(run({"convert", kBundledModel, "--dry-run", "--json"})));
  EXPECT_TRUE(left().empty());
}

TEST_F(EndToEnd, size_budget_is_met_from_below) {
  const ProgramOutcome done = run({"convert", kBundledModel, "--size", "4MB", "-o", "out", "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  const json::Value d = document(done);
  EXPECT_EQ(d["profile"], "auto");
  EXPECT_LE(d["file_bytes"].get<std::uint64_t>(), 4'000'000u);
  EXPECT_GE(d["file_bytes"].get<std::uint64_t>(), 3'990'000u);
}

TEST_F(EndToEnd, missing_source_is_3) {
  const ProgramOutcome missing = run({"convert", "no/such-model", "-o", "out"});
  EXPECT_EQ(missing.code, 3) << missing.err;
  EXPECT_TRUE(contains(missing.err, "error: cannot convert no/such-model"));
  EXPECT_TRUE(contains(missing.err, "\n  why: "));
  EXPECT_TRUE(contains(missing.err, "hf download no/such-model")) << missing.err;
  EXPECT_EQ(run({"inspect", "no/such-model"}).code, 3);
  EXPECT_EQ(run({"validate", "no-such-directory"}).code, 3);
  std::ofstream(dir_ / "a-file") << "x";
  EXPECT_EQ(run({"convert", "./a-file"}).code, 3);
}

TEST_F(EndToEnd, usage_errors_are_2_with_a_hint) {
  const std::string model = kBundledModel;
  const ProgramOutcome profile = run({"convert", model, "-p", "JANG_2X"});
  EXPECT_EQ(profile.code, 2);
  EXPECT_TRUE(contains(profile.err, "JANG_2")) << profile.err;
  EXPECT_TRUE(contains(profile.err, "did you mean")) << profile.err;
  const ProgramOutcome option = run({"convert", model, "--profil", "2S"});
  EXPECT_EQ(option.code, 2);
  EXPECT_TRUE(contains(option.err, "did you mean '--profile'")) << option.err;
  EXPECT_EQ(run({"convert", model, "--bpw", "3", "-p", "2S"}).code, 2);
  EXPECT_EQ(run({"convert", model, "--bpw", "3", "--size", "4MB"}).code, 2);
  EXPECT_EQ(run({"convert", model, "-p", "auto"}).code, 2);
  EXPECT_EQ(run({"convert", model, "--size", "-4MB"}).code, 2);
  EXPECT_EQ(run({"convert", model, "--size", "1KB"}).code, 2);
  EXPECT_EQ(run({"convert", model, "--tensor", "nothing_like_this=4"}).code, 2);
  EXPECT_EQ(run({"convert", model, "--tensor", "lm_head=7"}).code, 2);
  EXPECT_EQ(run({}).code, 2);
  EXPECT_TRUE(left().empty());
}

TEST_F(EndToEnd, truncated_source_is_3_and_leaves_nothing) {
  fs::copy(kBundledModel, dir_ / "src", fs::copy_options::recursive);
  const fs::path shard = dir_ / "src" / "model-00002-of-00002.safetensors";
  fs::resize_file(shard, fs::file_size(shard) - 1);
  const ProgramOutcome broken = run({"convert", "src", "-o", "out"});
  EXPECT_EQ(broken.code, 3) << broken.err;
  EXPECT_TRUE(contains(broken.err, "model-00002-of-00002.safetensors")) << broken.err;
  EXPECT_EQ(left(), std::vector<std::string>{"src"});
}

TEST_F(EndToEnd, existing_output_is_refused_and_untouched) {
  fs::create_directory(dir_ / "out");
  std::ofstream(dir_ / "out" / "mine") << "precious";
  const ProgramOutcome refused = run({"convert", kBundledModel, "-o", "out"});
  EXPECT_EQ(refused.code, 2) << refused.err;
  EXPECT_TRUE(contains(refused.err, "exists")) << refused.err;
  EXPECT_EQ(read_file(dir_ / "out" / "mine"), "precious");
  EXPECT_EQ(left(), std::vector<std::string>{"out"});
}

TEST_F(EndToEnd, force_replaces_a_bundle) {
  ASSERT_EQ(run({"convert", kBundledModel, "-o", "out", "-p", "2S"}).code, 0);
  const ProgramOutcome forced = run({"convert", kBundledModel, "-o", "out", "-p", "4S", "--force"});
  EXPECT_EQ(forced.code, 0) << forced.err;
  EXPECT_EQ(document(run({"inspect", "out", "--json"}))["profile"], "JANG_4S");
  EXPECT_EQ(left(), std::vector<std::string>{"out"});
}

TEST_F(EndToEnd, signals_stop_a_conversion_and_leave_no_model) {
  const std::string model = kBundledModel;
  for (const int number : {SIGTERM, SIGINT}) {
    // The scalar backend on one thread takes seconds; the first tick says that writing has begun.
    const ProgramOutcome stopped =
        run_and_signal({"convert", model, "-o", "out", "--backend", "ref", "--threads", "1", "--progress", "json"}, "\"tick\"", number);
    EXPECT_EQ(stopped.code, 128 + number) << stopped.err;
    EXPECT_TRUE(contains(stopped.err, "\"ok\":false")) << stopped.err;
    EXPECT_TRUE(left().empty());
  }
}

TEST_F(EndToEnd, progress_json_is_the_protocol) {
  const ProgramOutcome done = run({"convert", kBundledModel, "-o", "out", "--progress", "json"});
  ASSERT_EQ(done.code, 0);
  const std::vector<json::Value> events = documents(done.err);
  for (const json::Value& event : events) EXPECT_EQ(event["v"], 1);
  ASSERT_GE(events.size(), 3u);
  EXPECT_EQ(events.front()["type"], "phase");
  EXPECT_EQ(events.back()["type"], "done");
  EXPECT_EQ(events.back()["ok"], true);
  EXPECT_EQ(events.back()["output"], "out");
}

TEST_F(EndToEnd, validate_accepts_a_bundle_and_finds_an_edit) {
  ASSERT_EQ(run({"convert", kBundledModel, "-o", "out"}).code, 0);
  const ProgramOutcome good = run({"validate", "out", "--deep", "--json"});
  EXPECT_EQ(good.code, 0) << good.out;
  EXPECT_EQ(document(good)["valid"], true);
  // A manifest that contradicts the tensors.
  std::string text = read_file(dir_ / "out" / "jang_config.json");
  const std::size_t at = text.find("\"bits\": ");
  ASSERT_NE(at, std::string::npos);
  text[at + 8] = text[at + 8] == '5' ? '3' : '5';
  std::ofstream(dir_ / "out" / "jang_config.json") << text;
  const ProgramOutcome bad = run({"validate", "out", "--json"});
  EXPECT_EQ(bad.code, 5) << bad.out << bad.err;
  EXPECT_EQ(document(bad)["valid"], false);
  EXPECT_FALSE(document(bad)["findings"].empty());
}

// The bundle is there, whatever becomes of the report.
TEST_F(EndToEnd, a_report_that_cannot_be_printed_does_not_deny_the_bundle) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  Start full;
  full.out_path = "/dev/full";
  const ProgramOutcome done = run({"convert", kBundledModel, "-p", "uniform_4", "-m", "rtn", "-o", "out", "--json", "-q"}, full);
  EXPECT_EQ(done.code, 7) << done.err;
  EXPECT_TRUE(contains(done.err, "could not be printed")) << done.err;
  EXPECT_FALSE(contains(done.err, "no output was left")) << done.err;
  EXPECT_TRUE(contains(done.err, "are complete")) << done.err;
  EXPECT_TRUE(fs::exists(dir_ / "out" / "config.json"));
}

TEST_F(EndToEnd, inspect_reads_a_source_with_roles) {
  const json::Value d = document(run({"inspect", kBundledModel, "--json"}));
  expect_shared_keys(d);
  EXPECT_TRUE(d["profile"].is_null());
  EXPECT_EQ(d["quantized"], false);
  for (const json::Value& row : d["tensors"]) EXPECT_TRUE(row["role"].is_string()) << row["name"];
}

TEST_F(EndToEnd, reports_are_json_documents) {
  for (const char* command : {"profiles", "doctor", "version"}) {
    const ProgramOutcome reported = run({command, "--json"});
    EXPECT_EQ(reported.code, 0) << command;
    EXPECT_EQ(document(reported)["schema_version"], 1) << command;
    EXPECT_EQ(reported.err, "") << command;
    EXPECT_FALSE(run({command}).out.empty()) << command;
  }
  EXPECT_EQ(document(run({"profiles", "--json"}))["digits"]["2"], "JANG_2S");
}

// On a machine without a card the program says what is missing; doctor says the same.
TEST_F(EndToEnd, a_card_that_is_not_there_is_named_with_its_remedy) {
  const json::Value cuda = document(run({"doctor", "--json"}))["cuda"];
  if (cuda["problem"].is_null()) GTEST_SKIP() << "there is a card";
  const ProgramOutcome refused = run({"run", kBundledModel, "--backend", "cuda", "-p", "It"});
  EXPECT_EQ(refused.code, cuda["built_in"].get<bool>() ? 1 : 4) << refused.err;
  EXPECT_EQ(refused.out, "");
  if (!cuda["built_in"].get<bool>()) return;
  EXPECT_TRUE(contains(refused.err, cuda["problem"].get<std::string>())) << refused.err;
  const ProgramOutcome planned = run({"plan", kBundledModel, "--backend", "cuda"});
  EXPECT_EQ(planned.code, 1) << planned.err;
  EXPECT_TRUE(contains(planned.err, cuda["problem"].get<std::string>())) << planned.err;
}

TEST_F(EndToEnd, help_of_every_command_works) {
  for (const char* command : {"convert", "plan", "inspect", "validate", "template", "profiles", "doctor", "completion", "version"}) {
    const ProgramOutcome help = run({command, "--help"});
    EXPECT_EQ(help.code, 0) << command;
    EXPECT_TRUE(contains(help.out, "Usage: jang " + std::string(command))) << command;
  }
  EXPECT_EQ(run({"--help"}).code, 0);
  EXPECT_EQ(run({"--version"}).code, 0);
}

TEST_F(EndToEnd, full_disk_under_stdout_is_7) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full on this machine";
  Start how;
  how.out_path = "/dev/full";
  const ProgramOutcome full = run({"version"}, how);
  EXPECT_EQ(full.code, 7) << full.err;
}

TEST_F(EndToEnd, failed_write_is_7_and_leaves_nothing) {
  Start how;
  how.max_file_bytes = 1'000'000;
  const ProgramOutcome failed = run({"convert", kBundledModel, "-o", "out"}, how);
  EXPECT_EQ(failed.code, 7) << failed.err;
  EXPECT_TRUE(contains(failed.err, "\n  fix: ")) << failed.err;
  EXPECT_TRUE(left().empty());
}

TEST_F(EndToEnd, color_never_reaches_a_file_unasked) {
  EXPECT_FALSE(contains(run({"plan", kBundledModel}).out, "\x1b"));
  EXPECT_TRUE(contains(run({"plan", kBundledModel, "--color", "always"}).out, "\x1b["));
}

}  // namespace
}  // namespace jang::cli
