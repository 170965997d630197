// SPDX-License-Identifier: Apache-2.0
// Loading: open, map, describe, bind. Nothing of the weights is read before the first forward.
#include "engine/engine.h"

#include <fmt/format.h>

#include <new>

#include "base/mapped_file.h"
#include "engine/load_weights.h"
#include "engine/stop_ids.h"
#include "format/bundle.h"

namespace jang::engine {
namespace {

class LoadedEngine final : public Engine {
 public:
  LoadedEngine(std::string directory, const LoadOptions& options)
      : directory_(std::move(directory)), pool_(options.n_threads > 0 ? options.n_threads : available_threads()) {
    const bool exact = options.precision == kernels::Precision::exact;
    kv_type_ = options.kv_type.value_or(exact ? kernels::KvType::f32 : kernels::KvType::f16);
  }
  Status open(const LoadOptions& options);

  const std::string& directory() const override { return directory_; }
  const arch::Model& described() const override { return described_; }
  model::Decoder& decoder() override { return *decoder_; }
  ThreadPool& pool() override { return pool_; }
  bool is_bundle() const override { return is_bundle_; }
  std::uint64_t file_bytes() const override { return file_bytes_; }
  double stored_bits() const override { return stored_bits_; }
  Result<const text::Tokenizer*> tokenizer() override;
  const std::vector<std::int32_t>& stop_ids() const override { return stop_.ids; }
  model::Sequence new_sequence() const override { return model::Sequence(decoder_->config(), kv_type_); }
  Status forward(std::span<const model::BatchItem> batch, std::span<const std::int32_t> tokens, std::vector<float>* hidden) override;

 private:
  std::string directory_;
  ThreadPool pool_;
  kernels::KvType kv_type_ = kernels::KvType::f32;
  std::vector<MappedFile> files_;  // before the decoder: its views point into them
  arch::Model described_;
  std::optional<model::Decoder> decoder_;
  bool is_bundle_ = false;
  std::uint64_t file_bytes_ = 0;
  double stored_bits_ = 0;
  StopTokens stop_;
  std::optional<text::Tokenizer> tokenizer_;
};

Status LoadedEngine::open(const LoadOptions& options) {
  JANG_ASSIGN(const format::Bundle bundle, format::open_bundle(directory_));
  is_bundle_ = bundle.is_quantized;
  file_bytes_ = bundle.checkpoint.file_bytes();
  for (const InputFile& file : bundle.checkpoint.files()) {
    JANG_ASSIGN(MappedFile mapped, MappedFile::open(file.path(), file.size()));
    files_.push_back(std::move(mapped));
  }
  JANG_ASSIGN(LoadedWeights loaded, load_weights(bundle, files_));
  described_ = std::move(loaded.described);
  stored_bits_ = loaded.parameters > 0 ? loaded.payload_bits / loaded.parameters : 0;
  const model::Options graph{options.precision, options.backend, &pool_};
  JANG_ASSIGN(model::Decoder decoder, model::Decoder::create(described_, std::move(loaded.weights), graph));
  decoder_.emplace(std::move(decoder));
  JANG_ASSIGN(stop_, read_stop_tokens(directory_, bundle.checkpoint.config(), decoder_->config().vocab));
  return {};
}

Result<const text::Tokenizer*> LoadedEngine::tokenizer() {
  if (!tokenizer_) {
    JANG_ASSIGN(text::Tokenizer read, text::Tokenizer::load(directory_));
    tokenizer_.emplace(std::move(read));
    for (const std::string& text : stop_.texts)
      if (const auto id = tokenizer_->token_id(text); id && *id < decoder_->config().vocab) stop_.add(*id);
  }
  return &*tokenizer_;
}

Status LoadedEngine::forward(std::span<const model::BatchItem> batch, std::span<const std::int32_t> tokens, std::vector<float>* hidden) {
  std::int64_t n = 0;
  for (const model::BatchItem& item : batch) n += item.n_tokens;
  if (n != static_cast<std::int64_t>(tokens.size()))
    return {StatusCode::invalid_argument, fmt::format("{} tokens given for a batch of {}", tokens.size(), n)};
  try {
    hidden->resize(static_cast<std::size_t>(n * decoder_->config().hidden));
  } catch (const std::bad_alloc&) {
    return {StatusCode::out_of_memory, fmt::format("no memory for the hidden states of {} tokens", n)};
  }
  JANG_TRY(decoder_->embed(tokens, hidden->data()));
  JANG_TRY(decoder_->layers(batch, 0, decoder_->config().n_layers(), hidden->data()));
  for (const model::BatchItem& item : batch) item.sequence->advance(item.n_tokens);
  return {};
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::load(const std::string& directory, const LoadOptions& options) {
  auto engine = std::make_unique<LoadedEngine>(directory, options);
  if (const Status s = engine->open(options); !s.ok()) return s;
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace jang::engine
