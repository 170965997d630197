// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "jang/model.h"

#include <algorithm>

#include "api/access.h"
#include "tensor/shape.h"

namespace jang {
namespace {

std::optional<kernels::KvType> kv_type_of(CacheType type) {
  switch (type) {
    case CacheType::automatic: break;
    case CacheType::f32: return kernels::KvType::f32;
    case CacheType::f16: return kernels::KvType::f16;
    case CacheType::bf16: return kernels::KvType::bf16;
    case CacheType::q8: return kernels::KvType::q8;
  }
  return std::nullopt;
}

engine::LoadOptions load_options_of(const ModelOptions& options) {
  engine::LoadOptions load;
  load.n_threads = options.threads;
  load.precision = options.arithmetic == Arithmetic::exact ? kernels::Precision::exact : kernels::Precision::fast;
  load.kv_type = kv_type_of(options.cache);
  load.backend = options.backend;
  load.lenient = options.lenient;
  load.observer = options.observer;
  load.cache_bytes = options.cache_bytes;
  return load;
}

}  // namespace

Model::Model(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<Model> Model::open(const std::string& directory, const ModelOptions& options) {
  auto impl = std::make_shared<Impl>();
  JANG_ASSIGN(impl->engine, engine::Engine::load(directory, load_options_of(options)));
  for (const arch::OutTensor& tensor : impl->engine->described().tensors)
    impl->parameters += static_cast<std::uint64_t>(elements(tensor.shape));
  return Model(std::move(impl));
}

const std::string& Model::directory() const { return impl_->engine->directory(); }
const std::string& Model::model_type() const { return impl_->engine->described().model_type; }
bool Model::is_quantized() const { return impl_->engine->is_bundle(); }
std::uint64_t Model::file_bytes() const { return impl_->engine->file_bytes(); }
std::uint64_t Model::parameters() const { return impl_->parameters; }
double Model::stored_bits() const { return impl_->engine->stored_bits(); }
std::int64_t Model::vocab_size() const { return impl_->engine->decoder().config().vocab; }
std::int64_t Model::context_length() const { return std::max<std::int64_t>(impl_->engine->decoder().config().max_positions, 1); }
int Model::threads() const { return impl_->engine->pool().size(); }
const std::vector<std::int32_t>& Model::stop_ids() const { return impl_->engine->stop_ids(); }

Result<Tokenizer> Model::tokenizer() const {
  JANG_ASSIGN(const text::Tokenizer* tokenizer, impl_->engine->tokenizer());
  return Access::wrap(*this, tokenizer);
}

Result<ChatTemplate> Model::chat_template() const { return ChatTemplate::open(directory()); }

Result<std::vector<std::int32_t>> Model::prompt_tokens(std::string_view text) const {
  JANG_ASSIGN(const text::Tokenizer* tokenizer, impl_->engine->tokenizer());
  JANG_ASSIGN(std::vector<std::int32_t> ids, tokenizer->encode(text));
  if (ids.empty() && !stop_ids().empty()) ids.push_back(stop_ids().front());  // where there is no begin token, texts start here
  return ids;
}

}  // namespace jang
