// SPDX-License-Identifier: Apache-2.0
// A second target, made up: names of its own, one tensor for each expert, planes under other names, other formats, norms as published, its
// documents in one file. It is written and read back through the interface of format/targets/target.h alone, without a device and without
// a model that runs: what this test needs, a real target needs, and nothing of it is MLX's.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "../../arch/fake_model.h"
#include "../temp_folder.h"
#include "arch/describe.h"
#include "arch/path.h"
#include "base/float16.h"
#include "codec/weight_format.h"
#include "format/bundle_writer.h"
#include "format/safetensors.h"
#include "format/targets/layout.h"
#include "format/targets/target.h"
#include "format/targets/targets.h"

namespace jang::targets {
namespace {

using arch::OutTensor;

// What the toy calls parts of a name, in both directions.
constexpr std::pair<std::string_view, std::string_view> kWords[] = {
    {"model.layers.", "blk."}, {".self_attn.", ".att."}, {".mlp.experts.", ".xp."}, {"model.embed_tokens", "tok"}, {"_proj", "_w"}};
constexpr std::string_view kPlanes[] = {"q", "d", "z"};

std::string translated(std::string name, bool back) {
  for (const auto& [ours, toy] : kWords) {
    const std::string_view from = back ? toy : ours, to = back ? ours : toy;
    if (const std::size_t at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
  }
  return name;
}

class Toy final : public Target {
 public:
  [[nodiscard]] std::string_view name() const override { return "toy"; }
  [[nodiscard]] std::string_view loader() const override { return "the toy"; }
  [[nodiscard]] std::vector<std::string> sample_command(const arch::Model&, const std::string&) const override { return {}; }

  void published(const json::Value&, std::vector<TensorInfo>* tensors, arch::SourceFacts*) const override {
    for (TensorInfo& t : *tensors) t.name = translated(t.name, true);
  }

  [[nodiscard]] Status spell(std::span<const TensorInfo>, const arch::SourceFacts&, arch::Model* model) const override {
    for (OutTensor& t : model->tensors) {
      t.name = translated(t.name, false);
      t.module = translated(t.module, false);
      t.add = 0;  // as published
    }
    return {};
  }

  // Experts apart: "blk.0.xp.gate_w" [E, out, in] is stored as "blk.0.xp.<e>.gate_w", plane by plane.
  [[nodiscard]] std::vector<StoredPart> parts(const OutTensor& t, const codec::WeightFormat* format, DType params) const override {
    if (t.shape.size() != 3 || t.role == arch::Role::conv) return whole_parts(t, format, params, kPlanes);
    std::vector<StoredPart> all;
    for (std::int64_t e = 0; e < t.shape[0]; ++e) {
      OutTensor expert = t;
      expert.shape.erase(expert.shape.begin());
      const std::string number = "xp." + std::to_string(e);
      for (std::string* name : {&expert.name, &expert.module}) name->replace(name->find("xp"), 2, number);
      for (StoredPart& part : whole_parts(expert, format, params, kPlanes)) {
        part.row_begin = e * t.shape[1];
        all.push_back(std::move(part));
      }
    }
    return all;
  }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> file_metadata() const override { return {{"format", "toy"}}; }

  [[nodiscard]] std::vector<Document> documents(const Record& r) const override {
    json::Value config = r.model.config;
    for (const StoredPart& p : r.layout.parts) {
      const codec::WeightFormat* f = r.tensors[static_cast<std::size_t>(p.tensor)].format;
      if (p.plane == 0) config["toy"][p.info.name] = {static_cast<int>(f->kind), f->bits, f->group_size};
    }
    return {{"config.json", json::dump(config, 1)}};
  }
  [[nodiscard]] Copying copies(std::string_view) const override { return Copying::no; }

  [[nodiscard]] bool recognises(const format::Checkpoint& c) const override { return json::find(c.config(), "toy") != nullptr; }
  [[nodiscard]] Status read(format::Bundle* bundle) const override {
    const format::Checkpoint& c = bundle->checkpoint;
    std::vector<bool> taken(c.tensors().size());
    for (const auto& [codes, how] : c.config()["toy"].items()) {
      format::BundleModule m;
      m.path = codes.substr(0, codes.size() - 2);
      m.format = codec::find_format(static_cast<codec::Kind>(how[0].get<int>()), how[1].get<int>(), how[2].get<int>());
      if (m.format == nullptr) return {StatusCode::unsupported, codes};
      for (std::size_t p = 0; p < m.format->planes().size(); ++p) {
        m.planes.push_back(c.find(m.path + "." + std::string(kPlanes[p])));
        if (m.planes.back() < 0) return {StatusCode::corrupt, m.path};
        taken[static_cast<std::size_t>(m.planes.back())] = true;
      }
      m.shape = c.tensors()[static_cast<std::size_t>(m.planes[1])].info.shape;
      m.shape.back() *= m.format->group_size;
      bundle->modules.push_back(std::move(m));
    }
    for (std::size_t i = 0; i < taken.size(); ++i)
      if (!taken[i]) bundle->plain.push_back(static_cast<int>(i));
    return {};
  }
  void check(const format::Bundle&, std::vector<format::Finding>*) const override {}
};

// A number of its own for every element of every source tensor.
float value_of(int source, std::int64_t element) {
  return std::sin(static_cast<float>(source + 1) * 1.7f + static_cast<float>(element) * 0.37f);
}

void put(float value, std::vector<std::byte>* out) {
  const std::uint16_t half = float_to_bf16(value);
  const auto* bytes = reinterpret_cast<const std::byte*>(&half);
  out->insert(out->end(), bytes, bytes + 2);
}

// Rows of the tensor as its pieces say.
std::vector<float> rows_of(const OutTensor& t, const std::vector<TensorInfo>& sources) {
  std::vector<float> values;
  for (const arch::Piece& p : t.pieces) {
    const std::int64_t in = columns(sources[static_cast<std::size_t>(p.source)].shape);
    for (std::int64_t i = p.row_begin * in; i < (p.row_begin + p.n_rows) * in; ++i) values.push_back(value_of(p.source, i) + t.add);
  }
  return values;
}

using Planes = std::vector<std::vector<std::byte>>;

// Plain rounding in each kind.
void encode_group(const codec::WeightFormat& f, std::span<const float> w, std::vector<std::uint8_t>* codes, Planes* planes) {
  const auto [low, high] = std::ranges::minmax(w);
  const float top = static_cast<float>(codec::max_code(f.bits)), half = static_cast<float>(1 << (f.bits - 1));
  const bool symmetric = f.kind == codec::Kind::symmetric;
  const float scale = bf16_to_float(float_to_bf16(symmetric ? std::max(-low, high) / (half - 0.5f) : (high - low) / top));
  const float zero =
      f.kind == codec::Kind::float_zero ? bf16_to_float(float_to_bf16(-low / scale)) : std::clamp(std::round(-low / scale), 0.0f, top);
  const float bias = bf16_to_float(float_to_bf16(low));
  for (const float v : w) {
    const float shifted = symmetric ? v / scale + half : f.kind == codec::Kind::affine ? (v - bias) / scale : v / scale + zero;
    codes->push_back(static_cast<std::uint8_t>(std::clamp(std::round(shifted), 0.0f, top)));
  }
  put(scale, &(*planes)[1]);
  if (f.kind == codec::Kind::affine) put(bias, &(*planes)[2]);
  if (f.kind == codec::Kind::float_zero) put(zero, &(*planes)[2]);
  if (f.kind == codec::Kind::integer_zero) (*planes)[2].push_back(static_cast<std::byte>(zero));
}

Planes encode(const codec::WeightFormat& f, std::span<const float> values) {
  Planes planes(f.planes().size());
  std::vector<std::uint8_t> codes;
  const auto group = static_cast<std::size_t>(f.group_size);
  for (std::size_t i = 0; i < values.size(); i += group) encode_group(f, values.subspan(i, group), &codes, &planes);
  planes[0].resize(codes.size() / 32 * static_cast<std::size_t>(f.bits) * 4);
  std::vector<std::uint32_t> words(planes[0].size() / 4);
  codec::pack(codes, f.bits, words.data());
  std::memcpy(planes[0].data(), words.data(), planes[0].size());
  return planes;
}

// Another kind and width for every role.
const codec::WeightFormat* format_for(const OutTensor& t) {
  if (!t.quantizable || t.shape.size() < 2 || columns(t.shape) % 32 != 0) return nullptr;
  constexpr int kBits[] = {3, 4, 5, 6, 8};
  const auto role = static_cast<std::size_t>(t.role);
  return codec::find_format(codec::kKinds[role % codec::kKinds.size()], kBits[role % std::size(kBits)], 32);
}

class ToyTarget : public format::TempFolder {
 protected:
  void write(const arch::testing::FakeModel& source, const std::string& name) {
    auto described = describe_source(source.config, source.tensors, {}, toy_);
    ASSERT_TRUE(described.ok()) << described.status().message();
    model_ = std::move(described).value();
    std::vector<Coding> codings;
    std::vector<TensorRecord> records;
    for (std::size_t i = 0; i < model_.tensors.size(); ++i) {
      codings.push_back({static_cast<int>(i), format_for(model_.tensors[i])});
      records.push_back({.format = codings.back().format});
    }
    const Layout layout = make_layout(toy_, model_, codings, DType::bf16);
    std::vector<format::PlannedFile> files;
    for (const Shard& s : layout.shards) files.push_back({s.file_name, s.header, s.file_bytes});
    const std::string output = (root_ / name).string();
    auto writer = format::BundleWriter::create(output, false, files);
    ASSERT_TRUE(writer.ok()) << writer.status().message();
    write_rows(source, layout, codings, *writer);
    put("source/config.json", "{}");
    put("source/model.safetensors", format::make_safetensors_header({{"a", DType::f32, {1}}}, {}) + std::string(4, '\0'));
    const auto checkpoint = format::Checkpoint::open((root_ / "source").string());
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
    const Record record{.model = model_, .source = *checkpoint, .layout = layout, .dtype = DType::bf16, .tensors = records};
    for (const Document& d : toy_.documents(record)) ASSERT_TRUE(writer->add_text(d.name, d.text).ok());
    ASSERT_TRUE(writer->sync().ok());
    ASSERT_TRUE(writer->publish().ok());
  }

  // Two pieces of unequal size each, so that rows do not come expert by expert.
  void write_rows(const arch::testing::FakeModel& source, const Layout& layout, std::span<const Coding> codings,
                  format::BundleWriter& writer) {
    const RowWriter rows_out(layout, writer, model_.tensors.size());
    for (const Coding& c : codings) {
      const OutTensor& t = model_.tensors[static_cast<std::size_t>(c.tensor)];
      const std::vector<float> values = rows_of(t, source.tensors);
      Planes planes;
      if (c.format != nullptr) {
        planes = encode(*c.format, values);
      } else if (rows_out.plain_dtype(c.tensor) == DType::f32) {
        planes.emplace_back(values.size() * 4);
        std::memcpy(planes[0].data(), values.data(), planes[0].size());
      } else {
        planes.emplace_back();
        for (const float v : values) jang::targets::put(v, &planes[0]);
      }
      const std::int64_t n = rows(t.shape), first = n / 3;
      for (std::size_t p = 0; p < planes.size(); ++p) {
        const int plane = c.format != nullptr ? static_cast<int>(p) : -1;
        const std::size_t row_bytes = planes[p].size() / static_cast<std::size_t>(n), cut = static_cast<std::size_t>(first) * row_bytes;
        const std::span<const std::byte> all = planes[p];
        ASSERT_TRUE(rows_out.write(c.tensor, plane, first, n - first, all.subspan(cut)).ok());
        ASSERT_TRUE(rows_out.write(c.tensor, plane, 0, first, all.first(cut)).ok());
      }
    }
  }

  std::vector<std::byte> payload(const format::Bundle& bundle, int tensor) {
    const format::StoredTensor& s = bundle.checkpoint.tensors()[static_cast<std::size_t>(tensor)];
    std::vector<std::byte> bytes(static_cast<std::size_t>(s.info.bytes()));
    EXPECT_TRUE(bundle.checkpoint.read(s, 0, bytes).ok());
    return bytes;
  }

  // Values of a stored tensor, unpacked.
  std::vector<float> unpacked(const format::Bundle& bundle, const format::LogicalTensor& t) {
    std::vector<float> out(static_cast<std::size_t>(elements(t.info.shape)));
    if (t.module < 0) {
      const std::vector<std::byte> bytes = payload(bundle, t.stored);
      if (t.info.dtype == DType::f32) std::memcpy(out.data(), bytes.data(), bytes.size());
      for (std::size_t i = 0; i < out.size() && t.info.dtype == DType::bf16; ++i) {
        std::uint16_t half = 0;
        std::memcpy(&half, bytes.data() + 2 * i, 2);
        out[i] = bf16_to_float(half);
      }
      return out;
    }
    const format::BundleModule& m = bundle.modules[static_cast<std::size_t>(t.module)];
    std::vector<std::vector<std::byte>> planes;
    for (const int plane : m.planes) planes.push_back(payload(bundle, plane));
    const std::int64_t in = columns(m.shape);
    for (std::int64_t r = 0; r < rows(m.shape); ++r) {
      std::vector<const std::byte*> at;
      for (std::size_t p = 0; p < planes.size(); ++p)
        at.push_back(planes[p].data() + r * m.format->planes()[p].row_bytes(in, t.info.dtype));
      codec::unpack_row(*m.format, at, t.info.dtype, in, out.data() + r * in);
    }
    return out;
  }

  // Every tensor of the source, in canonical names, comes back within the rounding of its format.
  void expect_read_back(const arch::testing::FakeModel& source, const std::string& name) {
    auto checkpoint = format::Checkpoint::open((root_ / name).string());
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
    ASSERT_TRUE(toy_.recognises(*checkpoint));
    format::Bundle bundle{std::move(checkpoint).value(), &toy_, nullptr, true, {}, {}};
    const Status read = toy_.read(&bundle);
    ASSERT_TRUE(read.ok()) << read.message();
    const std::vector<format::LogicalTensor> logical = format::logical_tensors(bundle);
    std::vector<TensorInfo> infos;
    for (const format::LogicalTensor& t : logical) infos.push_back(t.info);
    arch::SourceFacts facts;
    toy_.published(bundle.checkpoint.config(), &infos, &facts);
    const auto back = arch::describe(format::logical_config(bundle), infos, facts);
    ASSERT_TRUE(back.ok()) << back.status().message();
    const auto wanted = describe_canonical(source.config, source.tensors);
    ASSERT_TRUE(wanted.ok());
    ASSERT_EQ(back->tensors.size(), wanted->tensors.size());

    std::vector<std::vector<float>> stored;
    for (const format::LogicalTensor& t : logical) stored.push_back(unpacked(bundle, t));
    for (std::size_t i = 0; i < wanted->tensors.size(); ++i) {
      const OutTensor &t = back->tensors[i], &w = wanted->tensors[i];
      ASSERT_EQ(t.name, w.name);
      ASSERT_EQ(t.shape, w.shape) << t.name;
      const std::vector<float> values = rows_of(w, source.tensors);
      const codec::WeightFormat* f = format_for(w);
      const float bar = f == nullptr ? 0.02f : 1.3f / static_cast<float>(codec::max_code(f->bits)) + 0.02f;
      std::size_t at = 0;
      for (const arch::Piece& p : t.pieces) {
        const std::int64_t in = columns(infos[static_cast<std::size_t>(p.source)].shape);
        for (std::int64_t e = p.row_begin * in; e < (p.row_begin + p.n_rows) * in; ++e, ++at)
          ASSERT_NEAR(stored[static_cast<std::size_t>(p.source)][static_cast<std::size_t>(e)] + t.add, values[at], bar)
              << t.name << " " << at;
      }
      ASSERT_EQ(at, values.size());
    }
  }

  Toy toy_;
  arch::Model model_;
};

TEST_F(ToyTarget, experts_apart_and_other_planes_read_back) {
  for (const arch::testing::Experts how : {arch::testing::Experts::each, arch::testing::Experts::fused, arch::testing::Experts::stacked}) {
    const std::string name = "moe" + std::to_string(static_cast<int>(how));
    const arch::testing::FakeModel source = arch::testing::qwen3_moe(how);
    write(source, name);
    expect_read_back(source, name);
    const auto checkpoint = format::Checkpoint::open((root_ / name).string());
    ASSERT_TRUE(checkpoint.ok());
    EXPECT_GE(checkpoint->find("blk.0.xp.3.gate_w.q"), 0);
    EXPECT_LT(checkpoint->find("blk.0.xp.4.gate_w.q"), 0);
    for (const format::StoredTensor& t : checkpoint->tensors()) {
      EXPECT_EQ(t.info.name.find("switch_mlp"), std::string::npos) << t.info.name;
      EXPECT_EQ(t.info.name.find("model.layers"), std::string::npos) << t.info.name;
    }
  }
}

TEST_F(ToyTarget, every_family_reads_back) {
  for (const arch::testing::NamedModel& m : arch::testing::all_models()) {
    SCOPED_TRACE(m.name);
    write(m.model, m.name);
    expect_read_back(m.model, m.name);
  }
}

// The default comes first in the table and takes everything, so the others are asked before it.
TEST_F(ToyTarget, a_directory_is_read_by_the_target_that_knows_it) {
  const Target* const table[] = {&default_target(), &toy_};
  write(arch::testing::dense("llama"), "model");
  const auto toy = format::Checkpoint::open((root_ / "model").string()), source = format::Checkpoint::open((root_ / "source").string());
  ASSERT_TRUE(toy.ok() && source.ok());
  EXPECT_EQ(&writer_of(*toy, table), &toy_);
  EXPECT_EQ(&writer_of(*source, table), &default_target());
  EXPECT_EQ(&writer_of(*toy), &default_target()) << "none but the default in the program's own table knows it";
  EXPECT_EQ(find_target("mlx"), &default_target());
  EXPECT_EQ(find_target("toy"), nullptr);
}

// Zero-centred norms stay as published, where MLX's hold what the model multiplies by: the same model, in either spelling.
TEST_F(ToyTarget, constants_and_convolutions_are_the_targets_own) {
  const arch::testing::FakeModel source = arch::testing::qwen3_5(false, false);
  const auto toy = describe_source(source.config, source.tensors, {}, toy_);
  const auto mlx = describe_source(source.config, source.tensors);
  ASSERT_TRUE(toy.ok() && mlx.ok());
  ASSERT_EQ(toy->tensors.size(), mlx->tensors.size());
  int n_shifted = 0, n_convolutions = 0;
  for (std::size_t i = 0; i < toy->tensors.size(); ++i) {
    const OutTensor &t = toy->tensors[i], &m = mlx->tensors[i];
    EXPECT_EQ(t.canonical, m.canonical);
    EXPECT_EQ(t.add, 0.0f);
    n_shifted += m.add == 1.0f;
    n_convolutions += t.role == arch::Role::conv && t.shape != m.shape;
  }
  EXPECT_GT(n_shifted, 4);
  EXPECT_EQ(n_convolutions, 3);
}

}  // namespace
}  // namespace jang::targets
