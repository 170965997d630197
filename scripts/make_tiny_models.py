# SPDX-License-Identifier: Apache-2.0
"""Builds tiny checkpoints with random weights, one per model family, as transformers itself saves them.

The oracle tests convert these where no real checkpoint is small enough: layouts (stacked and fused experts, Gated DeltaNet, vision towers,
tied heads, shards), dtypes and config spellings are the real ones, the weights are noise. Norms and biases are made non-trivial, so that a
missing offset or a swapped tensor changes the logits. Same seed, same bytes.

usage: make_tiny_models.py OUT_DIR TOKENIZER_DIR [--quick | FAMILY ...]

TOKENIZER_DIR: any checkpoint with a tokenizer.json of <= 4096 entries. --quick leaves out families that are made of others' blocks. Of a family
that transformers lacks, the directory `peer` inside the checkpoint says the same in the spelling of a class that it has.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file
from tiny_spellings import (edit_weights, publish_bailing, publish_exaone, publish_internlm2, publish_kimi, publish_mimo, publish_minicpm,
                            publish_solar)

VOCAB = 4096
TEXT = dict(vocab_size=VOCAB, hidden_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            max_position_embeddings=512, bos_token_id=0, eos_token_id=0, pad_token_id=0, initializer_range=0.08)
DENSE = dict(TEXT, intermediate_size=256)
MOE = dict(TEXT, moe_intermediate_size=64, num_experts=8, num_experts_per_tok=2, head_dim=64)
DELTA = dict(linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=64, linear_value_head_dim=64,
             linear_conv_kernel_dim=4, head_dim=64, num_hidden_layers=4,
             rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5, mrope_section=[6, 5, 5],
                                  mrope_interleaved=True))
VISION = dict(depth=1, hidden_size=64, intermediate_size=128, num_heads=2, out_hidden_size=128, num_position_embeddings=16)

SIGLIP = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=2, image_size=56, patch_size=14,
              vision_use_head=False)
PIXTRAL = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=2, head_dim=32, image_size=56, patch_size=14)
MROPE = dict(rope_type="default", rope_theta=10000.0, mrope_section=[12, 10, 10], mrope_interleaved=True)
LLAMA4 = dict(TEXT, head_dim=64, intermediate_size=64, intermediate_size_mlp=128, num_local_experts=4, num_experts_per_tok=1,
              interleave_moe_layer_step=2, attention_chunk_size=64, num_hidden_layers=4, use_qk_norm=True, tie_word_embeddings=False,
              floor_scale=16)  # lengths that the texts of the oracle tests pass
GROWING = dict(rope_type="yarn", type="yarn", factor=8.0, original_max_position_embeddings=32, rope_theta=1e4, mscale=1.0,
               mscale_all_dim=1.0, beta_fast=32.0, beta_slow=1.0, llama_4_scaling_beta=0.3)
LLAMA4_VISION = dict(hidden_size=64, intermediate_size=256, num_hidden_layers=1, num_attention_heads=2, image_size=56, patch_size=14,
                     vision_output_dim=64, projector_input_dim=64, projector_output_dim=64)
KIMI_VISION = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=2, patch_size=14, pos_emb_height=4,
                   pos_emb_width=4, pos_emb_time=2)
GEMMA4 = dict(DENSE, head_dim=64, global_head_dim=64, num_hidden_layers=4, sliding_window=64, hidden_size_per_layer_input=32,
              vocab_size_per_layer_input=VOCAB, num_kv_shared_layers=0,
              layer_types=["sliding_attention", "full_attention", "sliding_attention", "full_attention"])
GEMMA4_VISION = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, head_dim=32,
                     patch_size=14)
GEMMA4_AUDIO = dict(hidden_size=64, num_hidden_layers=1, num_attention_heads=2, subsampling_conv_channels=[128, 8], output_proj_dims=64)


def wrapped(config_class, text):
    return config_class(text_config=text, vision_config=dict(VISION), tie_word_embeddings=False)


def t(name):
    return getattr(transformers, name)


# Made where a test asks for them by name.
ON_DEMAND = ("qwen3_vl", "qwen3_vl_moe", "mistral3", "ministral3-wrapped", "llama4-wrapped", "kimi_k25-wrapped", "gemma4-wrapped", "gemma4_text")
# Made of blocks that others here are compared in.
SHARED = ("glm4_moe_lite", "lfm2_moe", "solar_open", "cohere", "exaone", "internlm2", "mimo", "minicpm", "bailing_moe")


# name -> (model class, config, dtype, edit of the saved directory or None)
def recipes():
    llama, qwen2 = dict(DENSE, tie_word_embeddings=False), dict(DENSE, tie_word_embeddings=True)
    llama3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64,
                  rope_theta=500000.0)
    d35 = dict(DENSE, **DELTA)
    yarn = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64, rope_theta=10000.0)
    linear = dict(rope_type="linear", factor=4.0, rope_theta=10000.0)
    gemma_rope = dict(full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1e6),
                      sliding_attention=dict(rope_type="default", rope_theta=1e4))
    window = dict(use_sliding_window=True, sliding_window=32)  # shorter than the texts of the oracle tests
    gemma = dict(DENSE, num_hidden_layers=3, head_dim=64, sliding_window=64, sliding_window_pattern=2, query_pre_attn_scalar=64)
    nxt = dict(MOE, **dict(DELTA, rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5)),
               shared_expert_intermediate_size=64, intermediate_size=256, mlp_only_layers=[1])
    m35 = dict(MOE, **DELTA, shared_expert_intermediate_size=64)
    wide = dict(MOE, intermediate_size=64, head_dim=32)  # experts as wide as intermediate_size; heads of hidden / heads values
    del wide["moe_intermediate_size"]
    deepseek = dict({k: v for k, v in MOE.items() if k not in ("num_experts", "head_dim")}, intermediate_size=256, n_routed_experts=8,
                    num_hidden_layers=3, first_k_dense_replace=1, n_group=4, topk_group=2, routed_scaling_factor=1.5)
    latent = dict(deepseek, num_key_value_heads=4, kv_lora_rank=64, qk_nope_head_dim=32, qk_rope_head_dim=32, v_head_dim=64)
    temperature = dict(yarn, mscale=0.7, mscale_all_dim=1.0)
    four = dict(llama, num_hidden_layers=4, head_dim=32)
    sliding = dict(four, sliding_window=16, layer_types=["sliding_attention"] * 3 + ["full_attention"])
    tied = dict(four, tie_word_embeddings=True)
    factors = [1.0 + 0.1 * i for i in range(12)]
    longrope = dict(rope_type="longrope", rope_theta=10000.0, short_factor=factors, long_factor=[2 * f for f in factors],
                    original_max_position_embeddings=256, partial_rotary_factor=0.75)
    half = dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5)
    gemma2 = dict(tied, sliding_window=32, query_pre_attn_scalar=64, attn_logit_softcapping=4.0, final_logit_softcapping=6.0)
    multipliers = dict(embedding_multiplier=6.0, residual_multiplier=0.25, attention_multiplier=0.05, logits_scaling=4.0)
    alpha = dict(rope_type="dynamic", type="dynamic", alpha=50.0, factor=1.0, rope_theta=10000.0)
    dynamic = dict(rope_type="dynamic", factor=6.0, rope_theta=10000.0)
    olmo3_rope = dict(full_attention=dict(yarn, rope_theta=500000.0),
                      sliding_attention=dict(rope_type="default", rope_theta=500000.0))
    gpt_oss = dict(TEXT, num_hidden_layers=4, head_dim=64, intermediate_size=64, num_local_experts=8, num_experts_per_tok=2,
                   sliding_window=32, rope_parameters=dict(yarn, rope_theta=150000.0, truncate=True))
    exaone_moe = dict(sliding, moe_intermediate_size=64, num_experts=8, num_experts_per_tok=2, num_shared_experts=1, n_group=1,
                      topk_group=1, sliding_window_pattern=4)
    nemotron_h = dict({k: v for k, v in DENSE.items() if k != "num_hidden_layers"}, head_dim=32, mamba_num_heads=8, mamba_head_dim=32,
                      ssm_state_size=32, n_groups=2, conv_kernel=4, chunk_size=16, n_routed_experts=8, num_experts_per_tok=2,
                      moe_intermediate_size=64, moe_shared_expert_intermediate_size=96, routed_scaling_factor=1.5,
                      layers_block_type=["linear_attention", "moe", "full_attention", "mlp", "linear_attention"])
    granite_4 = dict(DENSE, tie_word_embeddings=True, mamba_n_heads=8, mamba_d_head=32, mamba_d_state=32, mamba_n_groups=1,
                     mamba_chunk_size=16, shared_intermediate_size=96, layer_types=["linear_attention", "full_attention"], **multipliers)
    gemma4 = dict(tied, head_dim=32, global_head_dim=64, num_global_key_value_heads=1, attention_k_eq_v=True, sliding_window=32,
                  layer_types=["sliding_attention", "full_attention"] * 2, hidden_size_per_layer_input=0, final_logit_softcapping=6.0)
    edge = dict(gemma4, attention_k_eq_v=False, num_global_key_value_heads=None, num_key_value_heads=1, hidden_size_per_layer_input=32,
                vocab_size_per_layer_input=VOCAB, num_kv_shared_layers=2, use_double_wide_mlp=True)
    lfm2_moe = dict(tied, moe_intermediate_size=64, num_experts=8, num_experts_per_tok=2, num_dense_layers=1, routed_scaling_factor=1.5,
                    norm_eps=1e-5, layer_types=["conv", "full_attention", "conv", "conv"])
    ling = dict(deepseek, head_dim=32, n_shared_experts=2, use_qk_norm=True, norm_topk_prob=True, rms_norm_eps=1e-6, rope_parameters=half)
    bf16 = torch.bfloat16
    return {
        "mixtral": ("MixtralForCausalLM", t("MixtralConfig")(**dict(wide, num_local_experts=wide["num_experts"])), torch.bfloat16, None),
        "qwen2_moe": ("Qwen2MoeForCausalLM", t("Qwen2MoeConfig")(**dict(MOE, head_dim=32), shared_expert_intermediate_size=96,
                      intermediate_size=256, norm_topk_prob=False), torch.bfloat16, None),
        "minimax_m2": ("MiniMaxM2ForCausalLM", t("MiniMaxM2Config")(**dict(wide, num_local_experts=wide["num_experts"]), rotary_dim=16),
                       torch.bfloat16, None),
        "glm4_moe": ("Glm4MoeForCausalLM", t("Glm4MoeConfig")(**dict(deepseek, head_dim=64), n_shared_experts=1, attention_bias=True,
                     use_qk_norm=True), torch.bfloat16, None),
        "deepseek_v2": ("DeepseekV2ForCausalLM", t("DeepseekV2Config")(**latent, q_lora_rank=None, n_shared_experts=2,
                        topk_method="group_limited_greedy", rope_parameters=temperature), torch.bfloat16, None),
        "deepseek_v3": ("DeepseekV3ForCausalLM", t("DeepseekV3Config")(**latent, q_lora_rank=96, n_shared_experts=1,
                        rope_parameters=temperature), torch.bfloat16, None),
        "olmoe": ("OlmoeForCausalLM", t("OlmoeConfig")(**wide, norm_topk_prob=False), torch.bfloat16, None),
        "gpt_oss": ("GptOssForCausalLM", t("GptOssConfig")(**gpt_oss), torch.bfloat16, None),
        "granitemoe": ("GraniteMoeForCausalLM", t("GraniteMoeConfig")(**dict(wide, num_local_experts=wide["num_experts"],
                       tie_word_embeddings=True), **multipliers), torch.bfloat16, None),
        "ernie4_5_moe": ("Ernie4_5_MoeForCausalLM", t("Ernie4_5_MoeConfig")(**dict(DENSE, num_hidden_layers=3, head_dim=64),
                         moe_intermediate_size=64, moe_num_experts=8, moe_k=2, moe_num_shared_experts=2), torch.bfloat16, None),
        "dots1": ("Dots1ForCausalLM", t("Dots1Config")(**dict(deepseek, head_dim=64), n_shared_experts=2, norm_topk_prob=True),
                  torch.bfloat16, None),
        "exaone_moe": ("ExaoneMoeForCausalLM", t("ExaoneMoeConfig")(**exaone_moe), torch.bfloat16, None),
        "llama-bf16": ("LlamaForCausalLM", t("LlamaConfig")(**llama), torch.bfloat16, None),
        "llama-fp16": ("LlamaForCausalLM", t("LlamaConfig")(**llama), torch.float16, None),
        "llama-fp32": ("LlamaForCausalLM", t("LlamaConfig")(**llama, rope_parameters=llama3), torch.float32, None),
        "llama-bias": ("LlamaForCausalLM", t("LlamaConfig")(**llama, attention_bias=True, mlp_bias=True), torch.bfloat16, None),
        "llama-linear": ("LlamaForCausalLM", t("LlamaConfig")(**llama, rope_parameters=linear), torch.bfloat16, None),
        "llama-yarn": ("LlamaForCausalLM", t("LlamaConfig")(**llama, rope_parameters=yarn), torch.bfloat16, None),
        "mistral": ("MistralForCausalLM", t("MistralConfig")(**llama, head_dim=64, sliding_window=32), torch.bfloat16, None),
        "qwen2": ("Qwen2ForCausalLM", t("Qwen2Config")(**qwen2), torch.bfloat16, None),
        "qwen2-window": ("Qwen2ForCausalLM", t("Qwen2Config")(**llama, **window, max_window_layers=1), torch.bfloat16, None),
        "qwen3": ("Qwen3ForCausalLM", t("Qwen3Config")(**qwen2, head_dim=64), torch.bfloat16, None),
        "qwen3-window": ("Qwen3ForCausalLM", t("Qwen3Config")(**llama, **window, max_window_layers=1, head_dim=64), torch.bfloat16, None),
        "qwen3-yarn": ("Qwen3ForCausalLM", t("Qwen3Config")(**qwen2, head_dim=64, rope_parameters=yarn), torch.bfloat16, None),
        "qwen3_moe-window": ("Qwen3MoeForCausalLM", t("Qwen3MoeConfig")(**MOE, **window, intermediate_size=256, norm_topk_prob=False),
                             torch.bfloat16, None),
        "qwen3_moe": ("Qwen3MoeForCausalLM", t("Qwen3MoeConfig")(**MOE, intermediate_size=256, norm_topk_prob=True), torch.bfloat16, None),
        "qwen3_moe-fused": ("Qwen3MoeForCausalLM", t("Qwen3MoeConfig")(**dict(MOE, num_hidden_layers=3), intermediate_size=256,
                            norm_topk_prob=True, mlp_only_layers=[1]), torch.bfloat16, fuse_experts),
        "gemma3_text": ("Gemma3ForCausalLM", t("Gemma3TextConfig")(**gemma), torch.bfloat16, None),
        "gemma3_text-softcap": ("Gemma3ForCausalLM", t("Gemma3TextConfig")(**gemma, attn_logit_softcapping=4.0,
                                final_logit_softcapping=6.0), torch.bfloat16, None),
        "gemma3-vision": ("Gemma3ForConditionalGeneration", t("Gemma3Config")(text_config=dict(DENSE, num_hidden_layers=4, head_dim=64,
                          sliding_window=64, sliding_window_pattern=2, query_pre_attn_scalar=64, rope_parameters=gemma_rope),
                          vision_config=SIGLIP, mm_tokens_per_image=4), torch.bfloat16, None),
        "gemma4_text": ("Gemma4ForCausalLM", t("Gemma4TextConfig")(**gemma4), torch.bfloat16, None),
        "gemma4_text-moe": ("Gemma4ForCausalLM", t("Gemma4TextConfig")(**gemma4, enable_moe_block=True, num_experts=8, top_k_experts=2,
                            moe_intermediate_size=64), torch.bfloat16, None),
        "gemma4_text-edge": ("Gemma4ForCausalLM", t("Gemma4TextConfig")(**edge), torch.bfloat16, None),
        "qwen3_vl": ("Qwen3VLForConditionalGeneration", t("Qwen3VLConfig")(text_config=dict(DENSE, head_dim=64, rope_parameters=MROPE),
                     vision_config=dict(VISION, deepstack_visual_indexes=[0]), tie_word_embeddings=True), torch.bfloat16, None),
        "qwen3_vl_moe": ("Qwen3VLMoeForConditionalGeneration", t("Qwen3VLMoeConfig")(text_config=dict(MOE, intermediate_size=256,
                         moe_intermediate_size=96, rope_parameters=MROPE, tie_word_embeddings=False), vision_config=dict(VISION, deepstack_visual_indexes=[0]),
                         tie_word_embeddings=False), torch.bfloat16, transpose_experts),
        "mistral3": ("Mistral3ForConditionalGeneration", t("Mistral3Config")(text_config=dict(DENSE, model_type="mistral", head_dim=64,
                     sliding_window=None), vision_config=dict(PIXTRAL), tie_word_embeddings=False), torch.bfloat16, None),
        "ministral3-wrapped": ("Mistral3ForConditionalGeneration", t("Mistral3Config")(text_config=dict(DENSE, model_type="ministral3",
                               head_dim=64, rope_parameters=GROWING), vision_config=dict(PIXTRAL), tie_word_embeddings=False), bf16, None),
        "kimi_k25-wrapped": ("Kimi_K25ForConditionalGeneration", t("Kimi_K25Config")(text_config=dict(latent, model_type="deepseek_v3",
                             q_lora_rank=96, n_shared_experts=1, rope_parameters=temperature), vision_config=dict(KIMI_VISION),
                             projection_hidden_size=64, tie_word_embeddings=False), bf16, publish_kimi),
        "llama4-wrapped": ("Llama4ForConditionalGeneration", t("Llama4Config")(text_config=LLAMA4, vision_config=dict(LLAMA4_VISION),
                           tie_word_embeddings=False), torch.bfloat16, publish_llama4),
        "gemma4-wrapped": ("Gemma4ForConditionalGeneration", t("Gemma4Config")(text_config=GEMMA4, vision_config=dict(GEMMA4_VISION),
                           audio_config=dict(GEMMA4_AUDIO)), torch.bfloat16, publish_gemma4),
        "phi3": ("Phi3ForCausalLM", t("Phi3Config")(**llama), bf16, None),
        "phi3-longrope": ("Phi3ForCausalLM", t("Phi3Config")(**llama, rope_parameters=longrope, partial_rotary_factor=0.75,
                          original_max_position_embeddings=256), bf16, None),
        "gemma": ("GemmaForCausalLM", t("GemmaConfig")(**dict(tied, head_dim=64)), bf16, None),
        "gemma2": ("Gemma2ForCausalLM", t("Gemma2Config")(**gemma2), bf16, None),
        "olmo2": ("Olmo2ForCausalLM", t("Olmo2Config")(**llama), bf16, None),
        "olmo3": ("Olmo3ForCausalLM", t("Olmo3Config")(**dict(sliding, rope_parameters=olmo3_rope)), bf16, None),
        "granite": ("GraniteForCausalLM", t("GraniteConfig")(**dict(llama, tie_word_embeddings=True), **multipliers), bf16, None),
        "smollm3": ("SmolLM3ForCausalLM", t("SmolLM3Config")(**tied), bf16, None),
        "seed_oss": ("SeedOssForCausalLM", t("SeedOssConfig")(**dict(llama, head_dim=64), attention_bias=True), bf16, None),
        "cohere2": ("Cohere2ForCausalLM", t("Cohere2Config")(**dict(sliding, tie_word_embeddings=True), logit_scale=0.25), bf16, None),
        "exaone4": ("Exaone4ForCausalLM", t("Exaone4Config")(**sliding, sliding_window_pattern=4), bf16, None),
        "exaone4-full": ("Exaone4ForCausalLM", t("Exaone4Config")(**dict(llama, head_dim=32, tie_word_embeddings=True),
                         sliding_window=None, layer_types=["full_attention"] * 2), bf16, None),
        "glm4": ("Glm4ForCausalLM", t("Glm4Config")(**dict(llama, head_dim=32), rope_parameters=half, attention_bias=True), bf16, None),
        "hunyuan_v1_dense": ("HunYuanDenseV1ForCausalLM", t("HunYuanDenseV1Config")(**dict(llama, head_dim=64, tie_word_embeddings=True),
                             rope_parameters=alpha), bf16, None),
        "ernie4_5": ("Ernie4_5ForCausalLM", t("Ernie4_5Config")(**dict(llama, head_dim=64, tie_word_embeddings=True)), bf16, None),
        "starcoder2": ("Starcoder2ForCausalLM", t("Starcoder2Config")(**dict(llama, tie_word_embeddings=True), sliding_window=32), bf16,
                       None),
        "gpt_neox": ("GPTNeoXForCausalLM", t("GPTNeoXConfig")(**{k: v for k, v in llama.items() if k != "num_key_value_heads"} | {"intermediate_size": 512}),
                     torch.float16, None),
        "stablelm": ("StableLmForCausalLM", t("StableLmConfig")(**llama, use_qkv_bias=True), bf16, None),
        "internlm3": ("LlamaForCausalLM", t("InternLM3Config")(**dict(llama, head_dim=32), attention_bias=True, mlp_bias=True,
                      rope_parameters=dynamic), bf16, spell_internlm3),
        "helium": ("HeliumForCausalLM", t("HeliumConfig")(**dict(llama, head_dim=32)), bf16, None),
        "nemotron": ("NemotronForCausalLM", t("NemotronConfig")(**llama), bf16, None),
        "phi": ("PhiForCausalLM", t("PhiConfig")(**llama), bf16, None),
        "lfm2": ("Lfm2ForCausalLM", t("Lfm2Config")(**dict(tied, intermediate_size=380, block_multiple_of=64, norm_eps=1e-5),
                 layer_types=["conv", "full_attention", "conv", "conv"]), bf16, None),
        "nemotron_h": ("NemotronHForCausalLM", t("NemotronHConfig")(**nemotron_h), bf16, None),
        "granitemoehybrid": ("GraniteMoeHybridForCausalLM", t("GraniteMoeHybridConfig")(**dict(granite_4, intermediate_size=64),
                             num_local_experts=8, num_experts_per_tok=2), bf16, None),
        "granitemoehybrid-dense": ("GraniteMoeHybridForCausalLM", t("GraniteMoeHybridConfig")(**granite_4, num_local_experts=0,
                                   position_embedding_type="rope"), bf16, None),
        "mamba2": ("Mamba2ForCausalLM", t("Mamba2Config")(vocab_size=VOCAB, hidden_size=128, num_hidden_layers=3, num_heads=8, head_dim=32,
                   state_size=32, n_groups=1, conv_kernel=4, chunk_size=16, initializer_range=0.08, pad_token_id=0, bos_token_id=0,
                   eos_token_id=0), bf16, None),
        "ministral3": ("Ministral3ForCausalLM", t("Ministral3Config")(**llama, head_dim=64, rope_parameters=dict(GROWING)), bf16, None),
        "mistral4": ("Mistral4ForCausalLM", t("Mistral4Config")(**dict(latent, n_group=2, topk_group=1), q_lora_rank=96,
                     n_shared_experts=1, rope_parameters=dict(GROWING)), bf16, None),
        "glm4_moe_lite": ("Glm4MoeLiteForCausalLM", t("Glm4MoeLiteConfig")(**latent, q_lora_rank=96, n_shared_experts=1), bf16, None),
        "lfm2_moe": ("Lfm2MoeForCausalLM", t("Lfm2MoeConfig")(**lfm2_moe), bf16, None),
        "solar_open": ("SolarOpenForCausalLM", t("SolarOpenConfig")(**{k: v for k, v in deepseek.items() if k != "first_k_dense_replace"},
                       head_dim=64, n_shared_experts=1, attention_bias=True), bf16, publish_solar),
        "cohere": ("CohereForCausalLM", t("CohereConfig")(**dict(llama, tie_word_embeddings=True), logit_scale=0.25), bf16, None),
        "exaone": ("LlamaForCausalLM", t("ExaoneConfig")(**llama), bf16, publish_exaone),
        "internlm2": ("LlamaForCausalLM", t("LlamaConfig")(**dict(llama, rms_norm_eps=1e-5)), bf16, publish_internlm2),
        "mimo": ("Qwen2ForCausalLM", t("Qwen2Config")(**llama), bf16, publish_mimo),
        "minicpm": ("GraniteForCausalLM", t("GraniteConfig")(**llama, embedding_multiplier=6.0, residual_multiplier=0.5,
                    attention_multiplier=32**-0.5, logits_scaling=2.0), bf16, publish_minicpm),
        "bailing_moe": ("Glm4MoeForCausalLM", t("Glm4MoeConfig")(**ling), bf16, publish_bailing),
        "qwen3_next": ("Qwen3NextForCausalLM", t("Qwen3NextConfig")(**nxt), torch.bfloat16, None),
        "qwen3_5-text": ("Qwen3_5ForCausalLM", t("Qwen3_5TextConfig")(**d35), torch.bfloat16, None),
        "qwen3_5-vision": ("Qwen3_5ForConditionalGeneration", wrapped(t("Qwen3_5Config"), d35), torch.bfloat16, add_mtp),
        "qwen3_5_moe-text": ("Qwen3_5MoeForCausalLM", t("Qwen3_5MoeTextConfig")(**m35), torch.bfloat16, None),
        "qwen3_5_moe-vision": ("Qwen3_5MoeForConditionalGeneration", wrapped(t("Qwen3_5MoeConfig"), m35), torch.bfloat16,
                               fuse_experts_add_mtp),
    }


def fuse_experts(directory):
    """Experts as one 3-D tensor per projection pair: how Qwen3.5-MoE is published, and the in-memory layout of transformers 5."""
    def change(weights):
        layers = {name.split(".mlp.experts.")[0] for name in weights if ".mlp.experts." in name}
        for layer in layers:
            prefix = f"{layer}.mlp.experts"
            count = len([n for n in weights if n.startswith(prefix + ".") and n.endswith(".up_proj.weight")])
            stack = {p: torch.stack([weights.pop(f"{prefix}.{e}.{p}.weight") for e in range(count)])
                     for p in ("gate_proj", "up_proj", "down_proj")}
            weights[f"{prefix}.gate_up_proj"] = torch.cat([stack["gate_proj"], stack["up_proj"]], dim=1)
            weights[f"{prefix}.down_proj"] = stack["down_proj"]
        return weights
    edit_weights(directory, change)


def publish_llama4(directory):
    """Members of vision_config that published configs have and transformers 5 does not save."""
    path = directory / "config.json"
    config = json.loads(path.read_text())
    config["vision_config"].update(rope_theta=10000.0, vision_feature_layer=-1)
    path.write_text(json.dumps(config))


def spell_internlm3(directory):
    """The switches under their published names; mlx-lm reads no others."""
    path = directory / "config.json"
    config = json.loads(path.read_text())
    config.update(qkv_bias=config.pop("attention_bias"), bias=config.pop("mlp_bias"), architectures=["InternLM3ForCausalLM"])
    path.write_text(json.dumps(config))


def publish_gemma4(directory):
    """The vocabulary at the top, where the MLX classes look for it."""
    path = directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "vocab_size": VOCAB}))


def transpose_experts(directory):
    """Experts as [E, in, out]: how Qwen3-VL-MoE is published; transformers turns them when it loads them, and keeps them turned."""
    def change(weights):
        return {n: v.transpose(1, 2) if ".experts." in n and v.shape[1 if "down" in n else 2] == 128 else v for n, v in weights.items()}
    edit_weights(directory, change)


def fuse_experts_add_mtp(directory):
    fuse_experts(directory)
    add_mtp(directory)


def add_mtp(directory):
    """The multi-token-prediction head that real checkpoints carry and transformers does not save."""
    def change(weights):
        generator = torch.Generator().manual_seed(5)
        weights["mtp.fc.weight"] = torch.randn(128, 256, generator=generator).to(torch.bfloat16)
        weights["mtp.norm.weight"] = torch.randn(128, generator=generator).to(torch.bfloat16)
        weights["mtp.layers.0.mlp.gate.weight"] = torch.randn(8, 128, generator=generator).to(torch.bfloat16)
        return weights
    edit_weights(directory, change)


def build(out, tokenizer, name):
    model_class, config, dtype, edit = recipes()[name]
    torch.manual_seed(1234)
    model = t(model_class)(config).eval()
    generator = torch.Generator().manual_seed(99)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.ndim <= 1:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
                if name.startswith("gemma4") and key.endswith("q_norm.weight"):  # scores are scaled by this gain alone
                    parameter.mul_(0.25)
            elif key.endswith("_proj_bias"):  # of experts, large enough for the bounds of their activation
                parameter.add_(4 * torch.randn(parameter.shape, generator=generator))
            elif key.endswith("e_score_correction_bias"):
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        for key, buffer in model.named_buffers():
            if key.endswith(("e_score_correction_bias", "expert_bias", "layer_scalar")):
                buffer.add_(0.1 * torch.randn(buffer.shape, generator=generator))
            elif key.endswith(("put_min", "put_max")):  # bounds of clipped maps, which are open before training
                buffer.clamp_(-8, 8)
    model = model.to(dtype)
    directory = out / name
    shutil.rmtree(directory, ignore_errors=True)
    model.save_pretrained(directory)
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        if (tokenizer / file).exists():
            shutil.copyfile(tokenizer / file, directory / file)
    if edit:
        edit(directory)
    names = load_file(directory / "model.safetensors")
    print(json.dumps({"model": name, "tensors": len(names), "params": sum(v.numel() for v in names.values())}))


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    out, tokenizer = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    left_out = ON_DEMAND + SHARED if sys.argv[3:] == ["--quick"] else ON_DEMAND
    named = [] if sys.argv[3:] == ["--quick"] else sys.argv[3:]
    chosen = named or [name for name in recipes() if name not in left_out]
    unknown = [name for name in chosen if name not in recipes()]
    if unknown:
        sys.exit(f"unknown family {unknown[0]}; known: {', '.join(recipes())}")
    for name in chosen:
        build(out, tokenizer, name)


if __name__ == "__main__":
    main()
