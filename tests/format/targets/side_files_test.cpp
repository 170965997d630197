// SPDX-License-Identifier: Apache-2.0
// Which files a bundle takes along, and which it leaves although they look the part.
#include "format/targets/side_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "../../support/paths.h"
#include "format/targets/targets.h"
#include "quantize/convert.h"

namespace jang::targets {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

const std::string kBug = test::source_dir() + "/tests/data/bugs/16-side-files-left-behind/model";

class SideFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("jang_side_files_" + std::to_string(::getpid()));
    fs::remove_all(dir_);
    fs::create_directories(dir_ / "model");
  }
  void TearDown() override { fs::remove_all(dir_); }
  void write(const std::string& name, std::string_view text = "x") const {
    fs::create_directories((dir_ / name).parent_path());
    std::ofstream(dir_ / name) << text;
  }
  [[nodiscard]] SideFiles found(const std::string& directory = "model") const {
    const Result<SideFiles> files = find_side_files((dir_ / directory).string(), default_target());
    EXPECT_TRUE(files.ok()) << files.status().message();
    return files.ok() ? *files : SideFiles{};
  }
  fs::path dir_;
};

TEST_F(SideFilesTest, all_files_of_bug_16_are_taken) {
  const Result<SideFiles> files = find_side_files(kBug, default_target());
  ASSERT_TRUE(files.ok());
  EXPECT_EQ(files->names, (Names{"additional_chat_templates/tool_use.jinja", "chat_template.jinja", "tekken.json", "tiktoken.model",
                                 "tokenization_own.py", "tokenizer.json", "tokenizer_config.json"}));
  EXPECT_TRUE(files->left.empty());
}

TEST_F(SideFilesTest, a_bundle_holds_them_byte_by_byte) {
  quantize::RunOptions run;
  auto source = quantize::open_source(kBug);
  ASSERT_TRUE(source.ok()) << source.status().message();
  plan::Options options;
  options.profile = "uniform_4";
  auto plan = quantize::plan_source(*source, options, "", run);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  const std::string out = (dir_ / "out").string();
  const auto done = quantize::convert(*source, *plan, out, false, run);
  ASSERT_TRUE(done.ok()) << done.status().message();
  const Result<SideFiles> files = find_side_files(kBug, default_target());
  ASSERT_FALSE(files->names.empty());
  for (const std::string& name : files->names) {
    ASSERT_TRUE(fs::is_regular_file(fs::symlink_status(fs::path(out) / name))) << name;
    std::ifstream a(fs::path(kBug) / name), b(fs::path(out) / name);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(a), {}), std::string(std::istreambuf_iterator<char>(b), {})) << name;
  }
}

TEST_F(SideFilesTest, kinds_are_taken_by_name_and_ending) {
  for (const char* name : {"tokenizer.json", "modeling_x.py", "qwen.tiktoken", "spiece.model", "merges.txt", "vocab.txt", "LICENSE",
                           "NOTICE", "chat_template.json", "preprocessor_config.json", "special_tokens_map.json", "generation_config.json",
                           "some_new_config.json", "x.jinja", "additional_chat_templates/rag.jinja"})
    write(std::string("model/") + name);
  const Names expected = found().names;
  EXPECT_EQ(expected.size(), 15u);
  for (const char* name : {"config.json", "jang_config.json", "model.safetensors.index.json", "pytorch_model.bin.index.json", "params.json",
                           "adapter_config.json", "quantize_config.json", "hf_quant_config.json", "model.safetensors", "pytorch_model.bin",
                           "README.md", ".hidden.json", ".gitattributes", "notes.txt", "additional_chat_templates/x.json",
                           "additional_chat_templates/.x.jinja", "code/own.py", "training_args.bin"})
    write(std::string("model/") + name);
  EXPECT_EQ(found().names, expected);
  EXPECT_TRUE(found().left.empty());
}

TEST_F(SideFilesTest, links_that_lead_out_are_left) {
  write("secret/id.txt");
  write("secret/credentials.json");
  write("model/real.json");
  fs::create_symlink("../secret/id.txt", dir_ / "model" / "tokenizer.model");
  fs::create_symlink("../secret/credentials.json", dir_ / "model" / "credentials.json");
  fs::create_symlink("../../../../../../etc/passwd", dir_ / "model" / "own.py");
  fs::create_symlink(dir_ / "secret" / "id.txt", dir_ / "model" / "vocab.txt");
  fs::create_symlink("nowhere", dir_ / "model" / "broken.json");
  fs::create_symlink("real.json", dir_ / "model" / "inside.json");
  fs::create_directory_symlink("../secret", dir_ / "model" / "folder.json");
  EXPECT_EQ(found().names, (Names{"inside.json", "real.json"}));
  EXPECT_EQ(found().left.size(), 5u);
  for (const std::string& why : found().left)
    EXPECT_TRUE(why.find("link out") != std::string::npos || why.starts_with("broken.json")) << why;
}

TEST_F(SideFilesTest, links_of_templates_are_held_to_the_same) {
  write("secret/tool_use.jinja");
  write("model/tokenizer.json");
  fs::create_directories(dir_ / "model" / "additional_chat_templates");
  fs::create_symlink("../../secret/tool_use.jinja", dir_ / "model" / "additional_chat_templates" / "tool_use.jinja");
  EXPECT_EQ(found().names, Names{"tokenizer.json"});
  fs::remove_all(dir_ / "model" / "additional_chat_templates");
  fs::create_directory_symlink("../secret", dir_ / "model" / "additional_chat_templates");
  EXPECT_EQ(found().names, Names{"tokenizer.json"});
}

TEST_F(SideFilesTest, links_of_a_hub_cache_and_of_linked_models_are_followed) {
  write("hub/blobs/0123");
  write("hub/blobs/4567");
  fs::create_directories(dir_ / "hub" / "snapshots" / "main");
  fs::create_symlink("../../blobs/0123", dir_ / "hub" / "snapshots" / "main" / "tokenizer.json");
  fs::create_symlink("../../blobs/4567", dir_ / "hub" / "snapshots" / "main" / "own.py");
  EXPECT_EQ(found("hub/snapshots/main").names, (Names{"own.py", "tokenizer.json"}));
  write("elsewhere/tokenizer.json");
  fs::create_symlink(dir_ / "elsewhere" / "tokenizer.json", dir_ / "model" / "tokenizer.json");
  EXPECT_EQ(found().names, Names{"tokenizer.json"});
}

TEST_F(SideFilesTest, devices_pipes_and_giants_are_left) {
  ASSERT_EQ(::mkfifo((dir_ / "model" / "pipe.json").c_str(), 0600), 0);
  write("model/giant.json");
  fs::resize_file(dir_ / "model" / "giant.json", (std::uintmax_t{256} << 20) + 1);
  EXPECT_TRUE(found().names.empty());
  EXPECT_EQ(found().left.size(), 2u);
}

}  // namespace
}  // namespace jang::targets
