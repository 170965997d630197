// SPDX-License-Identifier: Apache-2.0
// The rows. Order is the order of help, docs and completion. Adding a command = one row in kCommands, its options below, its function in
// commands.cpp and its file <name>.cpp.
#include "cli/options.h"

#include <algorithm>
#include <array>

#include "jang/plan.h"

namespace jang::cli {
namespace {

constexpr auto kCommands = std::to_array<Command>({
    {"convert", "Turn a checkpoint into a low-bit model that stock mlx-lm opens",
     "Reads a Hugging Face checkpoint (safetensors in bf16, fp16 or fp32), decides bits and group size of every tensor, quantizes, and "
     "writes a new directory.\n"
     "The directory appears, complete and checked, only when everything has succeeded.\n"
     "Without options it makes JANG_4K, which has the size of plain 4-bit MLX and loses less, or as little.",
     "jang convert ./Qwen3-8B\n"
     "jang convert Qwen/Qwen3-30B-A3B -p 2S -o Qwen3-30B-small\n"
     "jang convert ./Qwen3-8B --size 4.5GB\n"
     "jang convert ./Qwen3-8B --bpw 3.5 --self\n"
     "jang convert ./Qwen3-0.6B --bpw 3.5 --effort 4\n"
     "jang convert ./Qwen3-8B -p 2S --tensor 'o_proj$=6' --tensor 'lm_head=8:32'"},
    {"plan", "Show what convert would do, and why, without writing anything",
     "Prints the sizes and, with --explain, the decision for every tensor.\n"
     "The JSON document can be edited and given to `jang convert --plan`.",
     "jang plan ./Qwen3-8B -p 2S --explain\n"
     "jang plan ./Qwen3-8B -p 2S --html plan.html\n"
     "jang plan ./Qwen3-8B --bpw 3.5 --json > plan.json"},
    {"estimate", "Show what a model would need, from its config.json alone",
     "Weights are neither read nor needed: tensors and shapes follow from the configuration, bits and sizes from the planner that convert "
     "uses.\n"
     "Shown are weights, all and those that one token uses, the bytes of the source, and for every profile code bits, stored bits, the "
     "bytes of its files, and the memory that it takes with the keys and values of one sequence.\n"
     "A machine fits when two thirds of its memory hold that, three quarters from 36 GB on: what macOS lets the graphics processor keep.",
     "jang estimate Qwen3-30B-A3B/config.json\n"
     "jang estimate ./Qwen3-8B -p JANG_2S -p JANG_4K --context 32768 --kv q8\n"
     "jang estimate Qwen/Qwen3-8B --json"},
    {"calibrate", "Self-calibrate a model: write statistics that make conversions better",
     "The model samples its own text, or reads the text that you give.\n"
     "Two kinds of statistics are written to a safetensors file: the mean square of every input channel of every linear map, and how much "
     "the predictions change when one projection alone is quantized.\n"
     "No data is needed.\n"
     "After an interruption the same command continues where it stopped.",
     "jang calibrate ./Qwen3-8B -o stats.safetensors\n"
     "jang convert ./Qwen3-8B --stats stats.safetensors --bpw 3.5"},
    {"distill", "Train a converted model until it predicts what its source does",
     "Scales, biases and narrow codes are trained against the predictions of the source, on text that the source writes.\n"
     "Format, layout and size stay as they are, and so does what loads them.\n"
     "Part of the text is held out: it decides which step is kept, and the result is never worse on it than the start.\n"
     "After an interruption the same command continues where it stopped.",
     "jang distill ./Qwen3-0.6B-JANG_2S --ref ./Qwen3-0.6B -o Qwen3-0.6B-distilled\n"
     "jang distill ./Qwen3-0.6B-JANG_4K --ref ./Qwen3-0.6B -o better --steps 100 -f ./my-texts"},
    {"export", "Make a packed model into files for another program",
     "BUNDLE is a converted model, or one that AutoAWQ, GPTQ's tools, compressed-tensors or mlx-lm have packed.\n"
     "Codes, scales and zero points are kept where the target can hold them.\n"
     "What does not come over exactly is told, with how far it is off; only then are weights quantized a second time.",
     "jang export ./Qwen3-8B-JANG_4K --target vllm\n"
     "jang export ./Qwen3-8B-AWQ --target mlx -o Qwen3-8B-mlx --scale-dtype fp32"},
    {"run", "Continue a prompt with a model and print the text as it comes",
     "MODEL is a source checkpoint or a converted model (a bundle).\n"
     "Sampling options have the names and defaults of llama.cpp; with a --seed the text repeats.",
     "jang run ./Qwen3-8B-JANG_4K -p 'Once upon a time' -n 200\n"
     "jang run ./Qwen3-8B-JANG_4K -p 'The capital of France is' --temp 0 -n 8"},
    {"chat", "Talk to a model through its own chat template",
     "Messages are read from stdin, one on each line; /help lists the commands of the conversation.\n"
     "Ctrl-C stops an answer.\n"
     "From a pipe the exit code is that of the first turn that failed.",
     "jang chat ./Qwen3-8B-JANG_4K"},
    {"bench", "Measure speed: a model, or the kernels of this machine",
     "With a model it prints tokens/s of reading a prompt and of generating, in the table of llama-bench, the load time, and what part of "
     "the memory's read speed the weights reach.\n"
     "`jang bench kernels` measures the product of every width on weights that no cache holds, beside a plain read of the same memory.",
     "jang bench ./Qwen3-8B-JANG_4K\n"
     "jang bench kernels --threads 1 --json"},
    {"inspect", "Show tensors, bits and sizes of a checkpoint or of a converted model",
     "Of one model it reads headers and configuration only, never the weights.\n"
     "With two it shows what differs: both count as the values that they stand for, so a converted model is compared with its source as "
     "well as with another conversion.\n"
     "The exit code is then 5 when anything differs.\n"
     "Of a GGUF file, which the other commands do not run, it shows metadata, types and sizes.",
     "jang inspect ./Qwen3-8B-JANG_4K\n"
     "jang inspect ./Qwen3-8B-Q4_K_M.gguf --tensors\n"
     "jang inspect ./Qwen3-8B-JANG_4K --html model.html\n"
     "jang inspect ./Qwen3-8B ./Qwen3-8B-JANG_4K\n"
     "jang inspect ./Qwen3-8B --json"},
    {"repair", "Write a bundle again whose config.json says wrong bits of its modules",
     "DIR is a bundle for MLX, of JANG or any other maker, whose config.json has one width for all modules, wrong ones or none, so that "
     "loaders refuse or misread it.\n"
     "Bits and group follow from the shapes of the tensors and the sizes of the model; where they leave a choice that nothing decides, the "
     "candidates are named and nothing is written.\n"
     "Only config.json and the manifest of jang_config.json are new; the weights are hard links to the old files where that is possible.",
     "jang repair ./Qwen3.5-35B-A3B-JANG_2S -o Qwen3.5-35B-A3B-repaired"},
    {"validate", "Check a converted model: files, shapes, configuration, values",
     "Compares the files with the index, config.json with jang_config.json and both with the tensors, and checks shapes and tokenizer "
     "files.\n"
     "It reads scales, biases and norms; with --deep also the large tensors that are floats.\n"
     "The exit code is 5 when anything is wrong.",
     "jang validate ./Qwen3-8B-JANG_4K --deep"},
    {"logits", "Write the logits of given token ids",
     "Runs the ids through the model and writes the logits of every position; -n continues greedily.\n"
     "Use it to compare the engine with others.",
     "jang logits ./Qwen3-8B-JANG_4K --ids 1,2,3 -n 16\n"
     "jang logits ./Qwen3-8B --ids-file ids.txt --exact -o logits.safetensors"},
    {"eval", "Measure perplexity, divergence, generated texts, choice tasks",
     "ppl and kld cut the text, as the tokenizer encodes it, into windows; --protocol names how.\n"
     "kld runs the model and its source side by side, so no logits are stored.\n"
     "It shows the tails too, and the gain of the weights by role: <w, q> / <w, w>, 1 where their length is kept.\n"
     "generate samples texts from both, with the same draws, and counts those that end by themselves and those that repeat themselves: "
     "under half of their 4-grams are distinct.\n"
     "It also compares greedy continuations of the same beginnings.\n"
     "mmlu reads the original CSV files and takes the likeliest of A, B, C, D.\n"
     "choice reads JSON lines: {context, choices, answer}, or {text} to predict its last word.\n"
     "All are measured with exact float32 arithmetic unless --fast is given.",
     "jang eval ppl ./Qwen3-8B-JANG_4K -f wiki.test.raw --ctx 2048\n"
     "jang eval kld ./Qwen3-8B-JANG_4K --ref ./Qwen3-8B -f wiki.test.raw --tokens 65536\n"
     "jang eval generate ./Qwen3-8B-JANG_4K --ref ./Qwen3-8B\n"
     "jang eval mmlu ./Qwen3-8B-JANG_4K --data ./mmlu --subset 200 --items 4k.jsonl\n"
     "jang eval mmlu ./Qwen3-8B-JANG_2S --data ./mmlu --subset 200 --against 4k.jsonl\n"
     "jang eval choice ./Qwen3-8B-JANG_4K -f hellaswag.jsonl --json"},
    {"compare", "Compare recipes of one model: sizes, quality, speed, one page",
     "A recipe is a profile, auto@BITSbpw, or auto@PROFILE, which is auto at the bytes of that profile.\n"
     "A recipe may end in :rtn, which rounds as MLX does, in :self, which calibrates the model on its own text first, or in :awq, which "
     "rescales channels by that text too; @GROUP behind a profile is the group size, as in uniform_4@128:awq.\n"
     ":to-TARGET makes the directory for another target, as in uniform_4@128:awq:to-gptq: :awq is the method, :to-awq AutoAWQ's files; "
     ":vllm is short for :to-vllm.\n"
     "gguf:FILE measures a GGUF file that llama.cpp made of this source; gguf:TYPE, as in gguf:Q4_K_M, makes it with llama-quantize, and "
     "gguf:TYPE:imatrix with an importance matrix of --gguf-text too.\n"
     "Converted models are made where they are missing, and all are measured on the same tokens and questions, with one pass over the "
     "source.\n"
     "After an interruption the same command continues where it stopped.\n"
     "It writes report.html, frontier.svg and compare.json into the work directory.",
     "jang compare ./Qwen3-8B -p JANG_4K,uniform_4:rtn,auto@JANG_4K -f wiki.test.raw --tokens 32768\n"
     "jang compare ./Qwen3-8B -p auto@4.9bpw,gguf:./Qwen3-8B-Q4_K_M.gguf -f wiki.test.raw --tokens 32768\n"
     "jang compare ./Qwen3-30B-A3B -p JANG_2S,uniform_2:rtn,auto@3.0bpw -f wiki.test.raw --mmlu ./mmlu -o compared"},
    {"tokenize", "Turn text into token ids and back",
     "Uses the model's own tokenizer.json; the ids are those of the Hugging Face tokenizers library.\n"
     "The input comes from --prompt, --file or stdin.\n"
     "With --decode the input is ids, separated by white space or commas.",
     "jang tokenize ./Qwen3-8B -p 'Hello world'\n"
     "jang tokenize ./Qwen3-8B -f book.txt --json\n"
     "jang tokenize tokenizer.json --decode -p '9707 1879'"},
    {"template", "Render a model's chat template: the exact text that messages become",
     "MODEL is a directory, org/name in the local Hub cache, or a .jinja file.\n"
     "Variables are a JSON object: messages, tools, add_generation_prompt and whatever else the template reads.\n"
     "Without variables one sample message is shown.\n"
     "The document of --json also tells which parts came from the variables.",
     "jang template ./Qwen3-8B\n"
     "jang template chat_template.jinja -f variables.json"},
    {"profiles", "List the profiles",
     "Shows what `-p` takes, with the bits that each profile gives to the CRITICAL, IMPORTANT and COMPRESS tiers.", "jang profiles --json"},
    {"doctor", "Show what this machine offers: instruction sets, memory, disk, limits", "Attach its output to the report of a problem.",
     "jang doctor"},
    {"completion", "Print a completion script for bash, zsh or fish",
     "bash: source it from ~/.bashrc.\n"
     "zsh: save it as _jang in a folder of $fpath.\n"
     "fish: save it as ~/.config/fish/completions/jang.fish.",
     "source <(jang completion bash)"},
    {"version", "Print version, commit, compiler and backends", "", "jang version --json"},
});

constexpr auto kOptions = std::to_array<Option>({
    {"eval", Kind::positional, "WHAT", 0, "", "", "ppl|kld|generate|mmlu|choice", Offers::nothing, "what to measure", false},
    {"convert plan compare calibrate", Kind::positional, "SRC", 0, "", "", "", Offers::directory,
     "checkpoint directory, or org/name of a model in the local Hub cache", false},
    {"estimate", Kind::positional, "CONFIG", 0, "", "", "", Offers::file,
     "a config.json, a directory that holds one, or org/name of a model in the local Hub cache", false},
    {"distill", Kind::positional, "BUNDLE", 0, "", "", "", Offers::directory,
     "bundle to train: a directory, or org/name in the local Hub cache", false},
    {"export", Kind::positional, "BUNDLE", 0, "", "", "", Offers::directory,
     "packed model: a directory, or org/name in the local Hub cache", false},
    {"inspect logits eval", Kind::positional, "MODEL", 0, "", "", "", Offers::directory,
     "checkpoint or bundle: a directory, or org/name in the local Hub cache", false},
    {"inspect", Kind::optional, "OTHER", 0, "", "", "", Offers::directory,
     "another model of which the differences are shown: tensors, bits, bytes, values, configuration, files", false},
    {"validate", Kind::positional, "DIR", 0, "", "", "", Offers::directory, "bundle to check", false},
    {"repair", Kind::positional, "DIR", 0, "", "", "", Offers::directory,
     "bundle to repair: a directory, or org/name in the local Hub cache", false},
    {"repair", Kind::value, "--output", 'o', "DIR", "", "", Offers::directory, "directory to create", false},
    {"tokenize", Kind::positional, "MODEL", 0, "", "", "", Offers::file,
     "tokenizer.json, a directory that holds it, or org/name in the local Hub cache", false},
    {"template", Kind::positional, "MODEL", 0, "", "", "", Offers::directory,
     "model directory, org/name in the local Hub cache, or a template file", false},
    {"run chat", Kind::positional, "MODEL", 0, "", "", "", Offers::directory,
     "checkpoint or bundle: a directory, or org/name in the local Hub cache", false},
    {"bench", Kind::positional, "WHAT", 0, "", "", "", Offers::directory,
     "checkpoint or bundle: a directory, or org/name in the local Hub cache; or the word kernels", false},
    {"completion", Kind::positional, "SHELL", 0, "", "", "bash|zsh|fish|markdown", Offers::nothing,
     "shell to write for; markdown prints this reference as docs/cli.md has it", false},

    {"convert", Kind::value, "--output", 'o', "DIR", "", "", Offers::directory,
     "directory to create; default <source name>-<profile> in the working directory", false},
    {"calibrate", Kind::value, "--output", 'o', "FILE", "", "", Offers::file, "file to write", false},
    {"distill", Kind::value, "--ref", 0, "SOURCE", "", "", Offers::directory, "the model that the bundle was made of", false},
    {"distill", Kind::value, "--output", 'o', "DIR", "", "", Offers::directory, "directory to create", false},
    {"export", Kind::value, "--output", 'o', "DIR", "", "", Offers::directory,
     "directory to create; default <name of the bundle>-<target> in the working directory", false},
    {"convert plan", Kind::value, "--profile", 'p', "PROFILE", kDefaultProfile, "", Offers::profile,
     "profile name or digit 1-8, listed by `jang profiles`; `auto` needs --bpw or --size", false},
    {"estimate", Kind::list, "--profile", 'p', "PROFILE", "", "", Offers::profile,
     "profile name or digit 1-8, listed by `jang profiles`; may be repeated; default JANG_2S, JANG_3K, JANG_4K, JANG_6K and uniform_4",
     false},
    {"estimate", Kind::value, "--context", 'c', "N", "8192", "", Offers::nothing, "tokens of the sequence whose keys and values count",
     false},
    {"estimate", Kind::value, "--kv", 0, "TYPE", "f16", "f32|f16|bf16|q8", Offers::nothing, "type of the key-value cache", false},
    {"convert plan export estimate", Kind::value, "--target", 0, "TARGET", "mlx", "mlx|vllm|vllm-symmetric|awq|gptq|vllm-humming",
     Offers::nothing,
     "what the files are for: mlx, as stock mlx-lm opens them; vllm, compressed-tensors with zero points; vllm-symmetric, without; awq, "
     "AutoAWQ's 4 bits (uniform_4 unless -p says otherwise); gptq, symmetric 4 and 8 bits; vllm-humming, float zero points",
     false},
    {"convert plan", Kind::value, "--bpw", 0, "BITS", "", "", Offers::nothing,
     "profile auto: at most this many stored bits per weight, scales and biases counted", false},
    {"convert plan", Kind::value, "--size", 0, "SIZE", "", "", Offers::nothing,
     "profile auto: at most this many bytes of weight files; 48GB is 48*10^9, 48GiB is 48*2^30", false},
    {"convert plan", Kind::value, "--method", 'm', "METHOD", "fit", "fit|rtn|gptq|awq|awq+rtn|awq+gptq", Offers::nothing,
     "fit: range search and least squares per group; gptq: fit with error feedback on the inputs of the running model, needs --self or "
     "--stats; rtn: exactly MLX's own rounding; awq: channels rescaled by the activations of text first, which needs the same, then fit, "
     "or "
     "rtn or gptq as named",
     false},
    {"convert plan", Kind::value, "--effort", 0, "LEVEL", "", "0|1|2|3|4", Offers::nothing,
     "0: plain rounding; 1: fitted groups, the default; 2: calibrated too, as --self; 3: error feedback too, as --method gptq; 4: trained "
     "too, as --distill 300",
     false},
    {"convert plan estimate", Kind::value, "--group-size", 0, "SIZE", "auto", "auto|32|64|128", Offers::nothing,
     "weights that share a scale and a bias", false},
    {"convert plan estimate", Kind::value, "--scale-dtype", 0, "DTYPE", "auto", "auto|bf16|fp16", Offers::nothing,
     "type of scales, biases and unquantized tensors; auto: bf16 for bf16 sources, else fp16", false},
    {"export", Kind::value, "--scale-dtype", 0, "DTYPE", "auto", "auto|bf16|fp16|fp32", Offers::nothing,
     "type of scales and biases; auto: the target's, or the bundle's own; fp32 holds what any other type does", false},
    {"convert plan estimate", Kind::list, "--tensor", 0, "REGEX=BITS[:GROUP]", "", "", Offers::nothing,
     "override for every module whose path the regex is found in; 16 keeps it; may be repeated, the last match wins", false},
    {"convert plan estimate", Kind::value, "--floors", 0, "WHEN", "auto", "auto|on|off", Offers::nothing,
     "minimum bits of routed experts (gate 4, down 3); auto: on from 512 experts", false},
    {"convert plan", Kind::value, "--plan", 0, "FILE", "", "", Offers::file,
     "take every decision from this document of `jang plan --json` instead", false},
    {"inspect plan", Kind::value, "--html", 0, "FILE", "", "", Offers::file,
     "write a page with pictures too: bits by layer, where the bytes go, errors, and with --stats sensitivities", false},
    {"inspect", Kind::value, "--stats", 0, "FILE", "", "", Offers::file, "statistics of `jang calibrate` for the page of --html", false},
    {"convert plan", Kind::value, "--stats", 0, "FILE", "", "", Offers::file,
     "statistics of `jang calibrate`: weight the fit by them, and spend the bytes of `auto` by the sensitivities", false},
    {"convert plan calibrate", Kind::flag, "--self", 0, "", "", "", Offers::nothing,
     "self-calibration: statistics on text that the model samples; convert and plan measure them before planning", false},
    {"calibrate", Kind::value, "--text", 'f', "FILE", "", "", Offers::file, "calibrate on this text, or on the .txt files of a directory",
     false},
    {"calibrate", Kind::flag, "--random", 0, "", "", "", Offers::nothing,
     "calibrate on random tokens: quick, good enough for activations, not for sensitivities", false},
    {"calibrate convert plan", Kind::value, "--samples", 0, "N", "8", "", Offers::nothing,
     "windows of text to calibrate on; left out, conversions by gptq and awq take more", false},
    {"calibrate convert plan", Kind::value, "--seq-len", 0, "N", "512", "", Offers::nothing, "tokens in a window", false},
    {"calibrate convert plan", Kind::value, "--seed", 0, "N", "1", "", Offers::nothing, "seed of the sampled text", false},
    {"calibrate convert plan", Kind::value, "--budget", 0, "SECONDS", "900", "", Offers::nothing,
     "about how long --trials may take, and the training of convert: fewer layers, widths or steps then; 0: no limit", false},
    {"calibrate convert plan", Kind::flag, "--trials", 0, "", "", "", Offers::nothing,
     "sensitivities by trying every unit at several widths, in the place of gradients: takes far longer", false},
    {"calibrate", Kind::flag, "--no-sensitivity", 0, "", "", "", Offers::nothing, "activations only", false},
    {"calibrate", Kind::list, "--merge", 0, "FILE", "", "", Offers::file, "write these statistics merged, measure nothing; may be repeated",
     false},
    {"convert", Kind::value, "--distill", 0, "STEPS", "", "", Offers::nothing,
     "train the result for so many steps, as `jang distill` does; 300 is its default", false},
    {"distill", Kind::value, "--steps", 0, "N", "300", "", Offers::nothing, "steps of training", false},
    {"distill", Kind::value, "--batch", 0, "N", "16", "", Offers::nothing, "windows of text in a step", false},
    {"distill", Kind::value, "--seq-len", 0, "N", "512", "", Offers::nothing, "tokens in a window", false},
    {"distill", Kind::value, "--seed", 0, "N", "1", "", Offers::nothing, "seed of the sampled text", false},
    {"distill", Kind::value, "--rate", 0, "X", "auto", "", Offers::nothing, "multiplier of the step sizes; auto: chosen by short runs",
     false},
    {"convert distill", Kind::flag, "--blocks", 0, "", "", "", Offers::nothing,
     "train one decoder layer after the other (block-wise reconstruction), in the memory of one; without it this is done where the whole "
     "does not fit",
     false},
    {"distill", Kind::value, "--codes", 0, "BITS", "4", "", Offers::nothing,
     "codes of at most so many bits are trained, of wider ones only scales and biases; 0: no codes", false},
    {"distill", Kind::value, "--text", 'f', "FILE", "", "", Offers::file,
     "text, or the .txt files of a directory, that half of the windows come from", false},
    {"distill", Kind::value, "--budget", 0, "SECONDS", "0", "", Offers::nothing, "fewer steps if they would take longer; 0: no limit",
     false},
    {"convert plan", Kind::value, "--rounds", 0, "N", "auto", "", Offers::nothing,
     "auto with sensitivities: how often the allocation is measured as a whole and corrected; auto: once, and not at all with large "
     "vocabularies, where too few positions can be scored",
     false},
    {"convert plan estimate", Kind::flag, "--text-only", 0, "", "", "", Offers::nothing,
     "leave out the vision tower, its projector and processor files; without it they are kept, and counted, in 16 bits", false},
    {"plan", Kind::flag, "--explain", 0, "", "", "", Offers::nothing, "list role, tier, rule, bits, group and bytes of every tensor",
     false},
    {"convert", Kind::flag, "--dry-run", 0, "", "", "", Offers::nothing, "print the plan and its exact sizes, write nothing", false},
    {"convert calibrate distill export repair", Kind::flag, "--force", 0, "", "", "", Offers::nothing,
     "replace an existing output, after success only", false},
    {"logits", Kind::value, "--ids", 0, "IDS", "", "", Offers::nothing, "token ids, separated by commas", false},
    {"logits", Kind::value, "--ids-file", 0, "FILE", "", "", Offers::file, "token ids in a file, separated by commas or white space",
     false},
    {"logits", Kind::value, "--continue", 'n', "N", "", "", Offers::nothing, "tokens to add greedily", false},
    {"logits", Kind::value, "--output", 'o', "FILE", "", "", Offers::file,
     "safetensors file to create: logits F32 [ids, vocab], ids and continuation I64", false},
    {"run chat bench logits", Kind::flag, "--exact", 0, "", "", "", Offers::nothing, "32-bit activations and cache; slower", false},
    {"run chat bench logits", Kind::value, "--kv", 0, "TYPE", "", "f32|f16|bf16|q8", Offers::nothing,
     "type of the key-value cache; default f16, or bf16 where f16 is too narrow for a model; with --exact f32", false},
    {"compare", Kind::value, "--recipes", 'p', "LIST", "JANG_4K,uniform_4:rtn,auto@JANG_4K,JANG_2S,uniform_2:rtn,auto@JANG_2S", "",
     Offers::nothing, "recipes separated by commas", false},
    {"eval compare", Kind::value, "--file", 'f', "FILE", "", "", Offers::file, "text to score, for choice tasks as JSON lines; - is stdin",
     false},
    {"eval", Kind::value, "--ref", 0, "SOURCE", "", "", Offers::directory, "kld, generate: the source of the model", false},
    {"eval", Kind::value, "--samples", 0, "N", "128", "", Offers::nothing, "generate: texts to sample from each model", false},
    {"eval", Kind::value, "--seq-len", 0, "N", "256", "", Offers::nothing, "generate: tokens of a text, at most", false},
    {"eval", Kind::value, "--seed", 0, "N", "1", "", Offers::nothing, "generate: seed of the draws", false},
    {"eval compare", Kind::value, "--protocol", 0, "NAME", "windows", "windows|gptq|llama.cpp|sliding", Offers::nothing,
     "windows: 512 tokens, all but the first scored; gptq: the same with 2048; llama.cpp: the second half of each; sliding: by strides",
     false},
    {"eval compare", Kind::value, "--ctx", 0, "N", "", "", Offers::nothing, "tokens of a window; default by protocol", false},
    {"eval compare", Kind::value, "--stride", 0, "N", "", "", Offers::nothing, "protocol sliding: tokens between windows; default 512",
     false},
    {"eval compare", Kind::value, "--tokens", 0, "N", "", "", Offers::nothing, "only the first N tokens of the text", false},
    {"eval", Kind::value, "--data", 0, "DIR", "", "", Offers::directory, "mmlu: folder with test/*_test.csv and dev/*_dev.csv", false},
    {"compare", Kind::value, "--mmlu", 0, "DIR", "", "", Offers::directory,
     "answer MMLU too: folder with test/*_test.csv and dev/*_dev.csv", false},
    {"eval compare", Kind::value, "--shots", 0, "N", "0", "", Offers::nothing,
     "MMLU: solved examples before each question; fewer where the context is too short", false},
    {"eval", Kind::value, "--subset", 0, "WHICH", "all", "all|200", Offers::nothing,
     "mmlu: all 57 subjects, or the first 20 questions of 10 of them", false},
    {"compare", Kind::value, "--subset", 0, "WHICH", "200", "all|200", Offers::nothing,
     "MMLU: all 57 subjects, or the first 20 questions of 10 of them", false},
    {"eval", Kind::value, "--items", 0, "FILE", "", "", Offers::file, "write what was measured item by item, as JSON lines", false},
    {"eval", Kind::value, "--against", 0, "FILE", "", "", Offers::file, "mmlu, choice: items of another model; adds the exact McNemar test",
     false},
    {"compare", Kind::value, "--output", 'o', "DIR", "", "", Offers::directory,
     "work directory: bundles, measurements, report; default <source name>-compare", false},
    {"compare", Kind::value, "--gguf-tools", 0, "DIR", "", "", Offers::directory,
     "folder of llama-quantize and llama-imatrix, for gguf:TYPE; default: the PATH", false},
    {"compare", Kind::value, "--gguf-text", 0, "FILE", "", "", Offers::file,
     "text of the importance matrix of gguf:TYPE:imatrix; not the one that is scored", false},
    {"compare", Kind::flag, "--no-speed", 0, "", "", "", Offers::nothing, "measure neither speed nor memory", false},
    {"eval compare", Kind::flag, "--fast", 0, "", "", "", Offers::nothing,
     "measure with the fast kernels, whose activations are 8 bits wide, or 16 where there are outliers", false},
    {"run", Kind::value, "--prompt", 'p', "TEXT", "", "", Offers::nothing, "text to continue", false},
    {"run", Kind::value, "--file", 'f', "FILE", "", "", Offers::file, "file with the text to continue; - is stdin", false},
    {"chat", Kind::value, "--system", 0, "TEXT", "", "", Offers::nothing, "system message", false},
    {"run chat", Kind::value, "--predict", 'n', "N", "-1", "", Offers::nothing,
     "tokens to generate at most; -1: until the text ends or the context is full", false},
    {"run chat", Kind::value, "--temp", 0, "T", "0.8", "", Offers::nothing, "temperature; 0: always the likeliest token", false},
    {"run chat", Kind::value, "--top-k", 0, "N", "40", "", Offers::nothing, "draw from the N likeliest tokens; 0: all", false},
    {"run chat", Kind::value, "--top-p", 0, "P", "0.95", "", Offers::nothing, "draw from the likeliest tokens that make up P; 1: all",
     false},
    {"run chat", Kind::value, "--min-p", 0, "P", "0.05", "", Offers::nothing, "leave out tokens below P times the likeliest; 0: none",
     false},
    {"run chat", Kind::value, "--repeat-penalty", 0, "X", "1.0", "", Offers::nothing, "divide logits of recent tokens; 1: off", false},
    {"run chat", Kind::value, "--repeat-last-n", 0, "N", "64", "", Offers::nothing, "tokens the penalties look back at; -1: all", false},
    {"run chat", Kind::value, "--presence-penalty", 0, "X", "0.0", "", Offers::nothing, "taken from logits of recent tokens", false},
    {"run chat", Kind::value, "--frequency-penalty", 0, "X", "0.0", "", Offers::nothing, "the same, times their count", false},
    {"run chat", Kind::value, "--seed", 's', "N", "-1", "", Offers::nothing, "seed of the draws; -1: a different one every time", false},
    {"run chat", Kind::value, "--ctx-size", 'c', "N", "0", "", Offers::nothing, "tokens of prompt and answer; 0: as the model was trained",
     false},
    {"run chat", Kind::value, "--batch-size", 'b', "N", "512", "", Offers::nothing, "tokens of the prompt computed at a time", false},
    {"run chat", Kind::flag, "--ignore-eos", 0, "", "", "", Offers::nothing, "continue past the end of a text", false},
    {"run chat", Kind::flag, "--timings", 0, "", "", "", Offers::nothing, "print tokens and tokens/s to stderr", false},
    {"bench", Kind::value, "--n-prompt", 'p', "N", "512", "", Offers::nothing, "tokens of the prompt test; 0: leave it out", false},
    {"bench", Kind::value, "--n-gen", 'n', "N", "128", "", Offers::nothing, "tokens of the generation test; 0: leave it out", false},
    {"bench", Kind::value, "--repetitions", 'r', "N", "5", "", Offers::nothing, "runs of every test, after one that does not count", false},
    {"bench", Kind::value, "--format", 'o', "HOW", "md", "md|csv|json", Offers::nothing, "format of the table", false},
    {"bench", Kind::value, "--rows", 0, "ROWSxCOLUMNS", "4096x4096", "", Offers::nothing, "kernels: shape of the matrices", false},
    {"bench", Kind::flag, "--outliers", 0, "", "", "", Offers::nothing,
     "kernels: inputs with outliers, as some models have them; they are kept in 16 bits instead of 8", false},
    {"bench", Kind::flag, "--quick", 0, "", "", "", Offers::nothing, "kernels: fewer samples and sizes", false},
    {"inspect", Kind::flag, "--no-values", 0, "", "", "", Offers::nothing, "of two models compare headers only, not the weights", false},
    {"inspect", Kind::flag, "--tensors", 0, "", "", "", Offers::nothing, "list every tensor", false},
    {"validate", Kind::flag, "--deep", 0, "", "", "", Offers::nothing, "read the large float tensors too", false},
    {"tokenize", Kind::value, "--prompt", 'p', "TEXT", "", "", Offers::nothing, "the input", false},
    {"tokenize", Kind::value, "--file", 'f', "FILE", "", "", Offers::file, "read the input from a file; default -, stdin", false},
    {"tokenize", Kind::flag, "--decode", 0, "", "", "", Offers::nothing, "ids to text", false},
    {"tokenize", Kind::flag, "--no-special", 0, "", "", "", Offers::nothing,
     "do not add bos and eos; with --decode leave special tokens out", false},
    {"tokenize", Kind::flag, "--plain", 0, "", "", "", Offers::nothing, "text that spells a special token stays text", false},
    {"tokenize", Kind::flag, "--jsonl", 0, "", "", "", Offers::nothing,
     "many inputs: a JSON string a line (with --decode an array of ids), a document a line comes back", false},
    {"template", Kind::value, "--variables", 'f', "FILE", "", "", Offers::file,
     "JSON object of variables: messages, tools, add_generation_prompt ...", false},
    {"template", Kind::value, "--now", 0, "SECONDS", "", "", Offers::nothing,
     "what strftime_now() takes for now, in seconds since 1970, UTC; default the clock, local time", false},
    {"convert plan calibrate distill export run chat bench inspect logits eval compare", Kind::flag, "--lenient", 0, "", "", "",
     Offers::nothing, "where index and files contradict each other, take the likeliest reading instead of refusing; what was taken is told",
     false},
    {"convert plan calibrate distill export run chat bench inspect logits eval compare", Kind::value, "--threads", 't', "N", "", "",
     Offers::nothing, "number of threads; default all processors; the output does not depend on it", false},
    {"convert plan calibrate distill export run chat bench logits eval compare", Kind::value, "--backend", 0, "NAME", "auto",
     "auto|ref|avx2|avx512|neon|cuda", Offers::nothing,
     "where the arithmetic is done: an instruction set, or cuda, the first NVIDIA card; the output of convert and plan depends on "
     "it only by the text that --self samples",
     false},
    {"convert plan estimate calibrate distill export run bench logits eval compare inspect validate repair tokenize template profiles "
     "doctor version",
     Kind::flag, "--json", 0, "", "", "", Offers::nothing, "print one JSON document instead of text", false},
    {"convert plan calibrate distill export eval compare", Kind::value, "--progress", 0, "HOW", "auto", "auto|json|off", Offers::nothing,
     "on stderr; auto: a bar on a terminal, plain lines elsewhere; json: JSON lines, version 1", false},
    {"convert plan calibrate distill export eval compare", Kind::flag, "--quiet", 'q', "", "", "", Offers::nothing,
     "print nothing but errors and, with --json, the document", false},
    {"*", Kind::value, "--color", 0, "WHEN", "auto", "auto|always|never", Offers::nothing,
     "auto: on a terminal, unless NO_COLOR is set or TERM is dumb", false},
    {"*", Kind::flag, "--help", 'h', "", "", "", Offers::nothing, "show this help", false},
});

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

}  // namespace

std::span<const Command> commands() { return kCommands; }
std::span<const Option> options() { return kOptions; }

const Command* find_command(std::string_view name) {
  const auto row = std::find_if(kCommands.begin(), kCommands.end(), [&](const Command& c) { return c.name == name; });
  return row == kCommands.end() ? nullptr : &*row;
}

std::vector<const Option*> options_of(std::string_view command) {
  std::vector<const Option*> rows;
  for (const Option& option : kOptions) {
    const std::vector<std::string_view> names = split(option.commands, ' ');
    if (option.commands == "*" || std::find(names.begin(), names.end(), command) != names.end()) rows.push_back(&option);
  }
  return rows;
}

std::vector<std::string_view> choices_of(const Option& option) { return split(option.choices, '|'); }

std::vector<std::string_view> command_names() {
  std::vector<std::string_view> names;
  for (const Command& command : kCommands) names.push_back(command.name);
  return names;
}

}  // namespace jang::cli
