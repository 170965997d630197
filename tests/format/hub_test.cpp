// SPDX-License-Identifier: Apache-2.0
// Names of models: directories, names looked up in a Hub cache, and what a model is called.
#include "format/hub.h"
#include "format/checkpoint.h"
#include "temp_folder.h"

namespace jang::format {
namespace {

namespace fs = std::filesystem;

class HubTest : public TempFolder {
 protected:
  static constexpr const char* kRevision = "0123456789abcdef0123456789abcdef01234567";
  void put_model(const std::string& hub) const {
    put(hub + "/models--org--name/refs/main", kRevision);
    put(hub + "/models--org--name/snapshots/" + kRevision + "/config.json", "{}");
  }
  [[nodiscard]] std::string snapshot(const std::string& hub) const {
    return (root_ / hub / "models--org--name/snapshots" / kRevision).string();
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (root_ / name).string(); }
};

TEST_F(HubTest, directories_are_taken_as_they_are) {
  const auto r = resolve_model(root_.string(), {});
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(*r, root_.string());
}

TEST_F(HubTest, a_slash_at_the_end_changes_nothing) {
  put_model("one");
  put("a/b/config.json", "{}");
  const HubEnvironment env{path("one")};
  const auto resolve = [&](const std::string& what) {
    const auto r = resolve_model(what, env);
    return r.ok() ? *r : r.status().message();
  };
  EXPECT_EQ(resolve(path("a/b/")), path("a/b"));
  EXPECT_EQ(resolve("org/name/"), snapshot("one"));
  EXPECT_EQ(resolve("org/name//"), snapshot("one"));
  EXPECT_EQ(resolve("/"), "/");
  EXPECT_NE(resolve(path("a/b/config.json/")).find("is a file"), std::string::npos);
  EXPECT_NE(resolve("org/other/").find("model 'org/other' not found"), std::string::npos) << resolve("org/other/");
}

TEST_F(HubTest, cache_variables_have_the_precedence_of_the_hub) {
  put_model("one");
  put_model("two/hub");
  put_model("three/.cache/huggingface/hub");
  const auto resolve = [&](const HubEnvironment& env) {
    const auto r = resolve_model("org/name", env);
    return r.ok() ? *r : r.status().message();
  };
  EXPECT_EQ(resolve({path("one"), path("two"), path("three")}), snapshot("one"));
  EXPECT_EQ(resolve({"", path("two"), path("three")}), snapshot("two/hub"));
  EXPECT_EQ(resolve({"", "", path("three")}), snapshot("three/.cache/huggingface/hub"));
  EXPECT_EQ(resolve({"~/one", "", root_.string()}), snapshot("one"));
  put_model("four/huggingface/hub");
  put_model("five");
  const HubEnvironment all{path("one"), path("two"), path("three"), path("five"), path("four")};
  HubEnvironment env = all;
  EXPECT_EQ(resolve(env), snapshot("one"));
  env.hf_hub_cache = "";
  EXPECT_EQ(resolve(env), snapshot("five")) << "HUGGINGFACE_HUB_CACHE";
  env.huggingface_hub_cache = "";
  EXPECT_EQ(resolve(env), snapshot("two/hub")) << "HF_HOME";
  env.hf_home = "";
  EXPECT_EQ(resolve(env), snapshot("four/huggingface/hub")) << "XDG_CACHE_HOME";
  env.xdg_cache_home = "~/four";
  env.home = root_.string();
  EXPECT_EQ(resolve(env), snapshot("four/huggingface/hub"));
}

TEST_F(HubTest, models_are_called_by_their_name) {
  EXPECT_EQ(model_name("/models/Qwen3-8B"), "Qwen3-8B");
  EXPECT_EQ(model_name("/models/Qwen3-8B/"), "Qwen3-8B");
  EXPECT_EQ(model_name("/models/Qwen3-8B//"), "Qwen3-8B");
  EXPECT_EQ(model_name("/models/Qwen3-8B/."), "Qwen3-8B");
  EXPECT_EQ(model_name("/models/Qwen3-8B/./"), "Qwen3-8B");
  EXPECT_EQ(model_name("/models/Qwen3-8B/sub/.."), "Qwen3-8B");
  EXPECT_EQ(model_name("org/name"), "name");
  EXPECT_EQ(model_name("model"), "model");
  EXPECT_EQ(model_name("/"), "model");
  EXPECT_EQ(model_name("/hub/models--org--name/snapshots/0123456"), "name");
  EXPECT_EQ(model_name("/hub/models--org--name/snapshots/0123456/"), "name");
  EXPECT_EQ(model_name("/hub/models--gpt2/snapshots/0123456"), "gpt2");
  EXPECT_EQ(model_name("/data/snapshots/step-100"), "step-100") << "not every folder of snapshots is a Hub cache";
  const fs::path before = fs::current_path();
  put("here/config.json", "{}");
  fs::current_path(root_ / "here");
  EXPECT_EQ(model_name("."), "here");
  EXPECT_EQ(model_name("./"), "here");
  fs::create_directories(root_ / "here/below");
  fs::current_path(root_ / "here/below");
  EXPECT_EQ(model_name(".."), "here");
  fs::current_path(before);
  fs::create_symlink(root_ / "here", root_ / "link");
  EXPECT_EQ(model_name(path("link")), "link") << "as the user calls it";
}

TEST_F(HubTest, ref_decides_among_snapshots_and_one_snapshot_needs_no_ref) {
  put_model("hub");
  put("hub/models--org--name/snapshots/other/config.json", "{}");
  put("hub/models--org--name/refs/main", std::string(kRevision) + "\n");
  EXPECT_EQ(*resolve_model("org/name", {path("hub"), "", ""}), snapshot("hub"));
  fs::remove(root_ / "hub/models--org--name/refs/main");
  const Status two = resolve_model("org/name", {path("hub"), "", ""}).status();
  EXPECT_EQ(two.code(), StatusCode::not_found);
  EXPECT_NE(two.message().find("2 snapshots"), std::string::npos) << two.message();
  fs::remove_all(root_ / "hub/models--org--name/snapshots/other");
  EXPECT_EQ(*resolve_model("org/name", {path("hub"), "", ""}), snapshot("hub"));
}

TEST_F(HubTest, ref_cannot_lead_out_of_the_snapshots) {
  put_model("hub");
  put("secret/config.json", "{}");
  for (const std::string ref : {"../../../secret", "..", ".", "", "/etc", "a/b"}) {
    put("hub/models--org--name/refs/main", ref);
    EXPECT_EQ(resolve_model("org/name", {path("hub"), "", ""}).status().code(), StatusCode::corrupt) << ref;
  }
  put("hub/models--org--name/refs/main", "fedcba");
  EXPECT_EQ(resolve_model("org/name", {path("hub"), "", ""}).status().code(), StatusCode::not_found);
}

TEST_F(HubTest, a_name_found_nowhere_names_both_places) {
  const Status s = resolve_model("org/name", {path("hub"), "", ""}).status();
  EXPECT_EQ(s.code(), StatusCode::not_found);
  EXPECT_NE(s.message().find("'org/name'"), std::string::npos);
  EXPECT_NE(s.message().find(path("hub/models--org--name")), std::string::npos) << s.message();
  EXPECT_EQ(resolve_model("org/name", {}).status().code(), StatusCode::not_found);
  for (const char* what : {"/no/such/folder", "../x", "a/b/c", "org/..", "./name", "org/na me"}) {
    const Status path_like = resolve_model(what, {path("hub"), "", ""}).status();
    EXPECT_EQ(path_like.code(), StatusCode::not_found) << what;
    EXPECT_NE(path_like.message().find("was not searched"), std::string::npos) << path_like.message();
  }
  EXPECT_EQ(resolve_model("", {}).status().code(), StatusCode::invalid_argument);
  put("model.safetensors", "x");
  EXPECT_EQ(resolve_model(path("model.safetensors"), {}).status().code(), StatusCode::invalid_argument);
}

}  // namespace
}  // namespace jang::format
