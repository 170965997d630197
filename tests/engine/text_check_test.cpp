// SPDX-License-Identifier: Apache-2.0
// Faults of the files about text, as `jang validate` and `jang convert` report them.
#include "engine/text_check.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "../support/bundled_model.h"
#include "../support/paths.h"
#include "format/targets/targets.h"

namespace jang::engine {
namespace {

using test::kBundledModel;

namespace fs = std::filesystem;

const std::string kBugs = test::source_dir() + "/tests/data/bugs/";
constexpr const char* kPointer =
    "version https://git-lfs.github.com/spec/v1\noid sha256:0000000000000000000000000000000000000000000000000000000000000000\nsize 17\n";

class TextCheck : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("jang_text_check_" + std::to_string(::getpid()));
    fs::remove_all(dir_);
    fs::copy(kBugs + "12-first-space-of-answer-lost/model", dir_, fs::copy_options::recursive);
  }
  void TearDown() override { fs::remove_all(dir_); }
  void write(const std::string& name, std::string_view text) const {
    fs::create_directories((dir_ / name).parent_path());
    fs::remove(dir_ / name);
    std::ofstream(dir_ / name) << text;
  }
  // "where: message", one a line.
  [[nodiscard]] std::string found(const char* severity, const std::string& directory = "") const {
    std::string out;
    for (const format::Finding& f : check_text(directory.empty() ? dir_.string() : directory, targets::default_target()))
      if (format::severity_name(f.severity) == severity) out += f.where + ": " + f.message + "\n";
    return out;
  }
  fs::path dir_;
};

TEST_F(TextCheck, sound_directories_have_no_findings) {
  EXPECT_EQ(found("error") + found("warning"), "");
  const std::string bundled = kBundledModel;
  EXPECT_EQ(found("error", bundled) + found("warning", bundled), "");
  const std::string with_code = kBugs + "16-side-files-left-behind/model";
  EXPECT_EQ(found("error", with_code) + found("warning", with_code), "");
}

// A target that takes other files along than the default.
class Bare final : public targets::Target {
 public:
  [[nodiscard]] std::string_view name() const override { return "bare"; }
  [[nodiscard]] std::string_view loader() const override { return "nobody"; }
  [[nodiscard]] std::vector<std::string> sample_command(const arch::Model&, const std::string&) const override { return {}; }
  void published(const json::Value&, std::vector<TensorInfo>*, arch::SourceFacts*) const override {}
  [[nodiscard]] Status spell(std::span<const TensorInfo>, const arch::SourceFacts&, arch::Model*) const override { return {}; }
  [[nodiscard]] std::vector<targets::StoredPart> parts(const arch::OutTensor&, const codec::WeightFormat*, DType) const override {
    return {};
  }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> file_metadata() const override { return {}; }
  [[nodiscard]] std::vector<targets::Document> documents(const targets::Record&) const override { return {}; }
  [[nodiscard]] targets::Copying copies(std::string_view name) const override {
    return name == "words.list" ? targets::Copying::by_name : targets::Copying::no;
  }
  [[nodiscard]] bool recognises(const format::Checkpoint&) const override { return false; }
  [[nodiscard]] Status read(format::Bundle*) const override { return {}; }
  void check(const format::Bundle&, std::vector<format::Finding>*) const override {}
};

TEST_F(TextCheck, files_are_those_that_the_target_takes_along) {
  write("words.list", kPointer);
  EXPECT_EQ(found("error"), "");
  const Bare bare;
  const std::vector<format::Finding> findings = check_text(dir_.string(), bare);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].where, "words.list");
}

TEST_F(TextCheck, pointers_of_git_lfs_are_errors) {
  const std::string of_bug = found("error", kBugs + "08-tokenizer-is-lfs-pointer/model");
  EXPECT_EQ(of_bug.find("tokenizer.json: tokenizer.json is a Git LFS pointer"), 0u) << of_bug;
  for (const char* name : {"tokenizer.model", "chat_template.jinja", "vocab.json", "tokenization_own.py", "generation_config.json",
                           "additional_chat_templates/tool_use.jinja", "tokenizer_config.json", "special_tokens_map.json"}) {
    write(name, kPointer);
    EXPECT_EQ(found("error").find(std::string(name) + ": " + name + " is a Git LFS pointer"), 0u) << name << ": " << found("error");
    SetUp();
  }
}

TEST_F(TextCheck, broken_files_are_errors) {
  const std::vector<std::pair<std::string, std::string>> faults = {{"tokenizer.json", "{"},
                                                                   {"tokenizer.json", "{}"},
                                                                   {"tokenizer_config.json", "{"},
                                                                   {"special_tokens_map.json", "["},
                                                                   {"added_tokens.json", ""},
                                                                   {"generation_config.json", "{\"a\":"},
                                                                   {"chat_template.jinja", "{% if %}"},
                                                                   {"chat_template.json", R"({"chat_template": 3})"},
                                                                   {"tokenizer_config.json", R"({"chat_template": "{{ x "})"},
                                                                   {"additional_chat_templates/rag.jinja", "{% endfor %}"}};
  for (const auto& [name, text] : faults) {
    write(name, text);
    EXPECT_NE(found("error"), "") << name << ": " << text;
    SetUp();
  }
  write("chat_template.jinja", "x");
  write("additional_chat_templates/tool_use.jinja", "{{");
  EXPECT_NE(found("error").find("chat template for tools"), std::string::npos) << found("error");
}

TEST_F(TextCheck, what_only_others_can_read_is_a_warning) {
  const std::string of_bug = kBugs + "22-only-tokenizer-model/model";
  EXPECT_EQ(found("error", of_bug), "");
  EXPECT_NE(found("warning", of_bug).find("only tokenizer.model"), std::string::npos) << found("warning", of_bug);
  write("tokenizer.json", R"({"model": {"type": "New", "vocab": {}}})");
  EXPECT_EQ(found("error"), "");
  EXPECT_NE(found("warning").find("type \"New\""), std::string::npos) << found("warning");
}

TEST_F(TextCheck, missing_files_are_warnings) {
  fs::remove(dir_ / "tokenizer_config.json");
  EXPECT_NE(found("warning").find("no tokenizer_config.json"), std::string::npos);
  fs::remove(dir_ / "tokenizer.json");
  EXPECT_NE(found("warning").find("no tokenizer:"), std::string::npos);
  EXPECT_EQ(found("error"), "");
}

TEST_F(TextCheck, code_that_a_config_names_must_be_here) {
  write("tokenizer_config.json",
        R"({"auto_map": {"AutoTokenizer": [null, "tokenization_own.Own"], "AutoModel": "other/repo--code.Model"}})");
  EXPECT_NE(found("warning").find("tokenization_own.py"), std::string::npos) << found("warning");
  EXPECT_EQ(found("warning").find("code.py"), std::string::npos) << found("warning");
  write("tokenization_own.py", "pass");
  EXPECT_EQ(found("warning"), "");
  for (const char* map : {R"(["slow.A", "fast.B"])", R"("slow.A")", R"({"AutoTokenizer": "slow.A"})"}) {
    write("tokenizer_config.json", std::string(R"({"auto_map": )") + map + "}");
    EXPECT_NE(found("warning").find("slow.py"), std::string::npos) << map;
  }
  for (const char* map : {"3", "{}", R"({"AutoTokenizer": [null, 3, {}]})", R"("../../x.A")"}) {
    write("tokenizer_config.json", std::string(R"({"auto_map": )") + map + "}");
    EXPECT_EQ(found("error") + found("warning"), "") << map;
  }
}

TEST_F(TextCheck, no_directory_is_an_error) { EXPECT_NE(found("error", dir_.string() + "/none"), ""); }

}  // namespace
}  // namespace jang::engine
