#!/usr/bin/env bash
# Everything that only a GPU can tell, in one command, in a folder made by tests/gpu/bundle.sh:
#   ./run.sh [--dry] [--quick] [--out DIR]
#     --dry     on the emulated module with tiny shapes: tests this script, measures nothing
#     --quick   no compute-sanitizer, fewer repeats
#     --out     where logs and figures go (results/)
# Writes DIR/gpu-results.md, one table to be pasted into docs/gpu-results.md, and exits with 1 if a step failed.
set -uo pipefail

dry=0 quick=0 out=results
while (( $# )); do
  case $1 in
    --dry) dry=1 ;;
    --quick) quick=1 ;;
    --out) out=$2; shift ;;
    *) sed -n '2,7p' "$0" >&2; exit 64 ;;
  esac
  shift
done
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$out" && out=$(cd "$out" && pwd)
rm -f "$out"/*.{tsv,json,jsonl,log,md,txt}
. "$here/env.sh"
cd "$here" || exit 1
export LOCKSTEP_REQUIRE_GPU=1

if (( dry )); then
  export LOCKSTEP_CUDA_MODULE=$here/lib/lockstep/liblockstep_cuda_emulated.so
  shape=tiny shape_gqa8=tiny requests=share/dry.jsonl models=(recall)
  sed -n '3p;7p' share/recall_tiny.jsonl > share/dry.jsonl  # of two texts, which share no pages
  common=(--repeats 1 --ceiling-mib 1 --ceiling-product 32 --schedule.max_step_tokens 128)
  kernels=(--tokens 1,3 --batch 1,2 --context 192 --prompt 32 --cold-mib 1 --cache.page_tokens 16)
  decode=(--batch 1,2 --context 32 --steps 2) prefill=(--context 32,64) latency=(--batch 2 --input-tokens 8 --output-tokens 4)
  long=(--batch 2 --context 192 --steps 2 --cache.page_tokens 16) long_device_tokens=320
  answer_options=(--cache.page_tokens 16) device_size=(--cache.device_tokens 2048)
  sparse=(--attention.sparse_dense_below 0 --attention.sparse_least_pages 4 --attention.sparse_recent_pages 1)
  offload=(--attention.sparse_offload true --cache.host_tokens 4096 --model.max_sequence 192 --cache.device_tokens 208)
  long_sparse=("${sparse[@]}") formats=(kv4) ratios=(0.25)
  limit=120 test_filter='*RmsNorm*:*GatherRows*:*Stream*'
else
  shape=llama-3-8b shape_gqa8=llama-3-70b requests=share/recall_64.jsonl
  mapfile -t models < <(ls share/models)
  common=(--repeats $(( quick ? 2 : 5 )) --schedule.max_step_tokens 8192)
  kernels=() decode=(--batch 1,64 --context 1024,4096) prefill=(--context 1024,8192) latency=()
  long=(--batch 8 --context 32768) long_device_tokens=131072
  answer_options=() device_size=()
  # Prompts of the demo model have up to 55 pages: lists must be able to leave most of them out.
  sparse=(--attention.sparse_dense_below 0 --attention.sparse_least_pages 4)
  offload=(--attention.sparse_offload true --cache.host_tokens 262144 --model.max_sequence 3584 --cache.device_tokens 3584
    --schedule.max_step_tokens 2048)
  long_sparse=() formats=(kv8 k8v4 kv4) ratios=(0.1 0.25)
  limit=900 test_filter='*'
fi
common+=(--device cuda)

# ---- steps: each leaves a log and a line "name code seconds" ------------------------------------------------------------

step() {  # name, command…
  local name=$1 start=$SECONDS code
  shift
  printf '%-40s' "$name"
  timeout "$limit" "$@" > "$out/$name.log" 2>&1
  code=$?
  printf '%s\t%d\t%d\n' "$name" "$code" $(( SECONDS - start )) >> "$out/steps.tsv"
  case $code in 0) echo "ok, $(( SECONDS - start )) s" ;; 124) echo "TOOK TOO LONG" ;; *) echo "FAILED ($code)"; tail -n 5 "$out/$name.log" ;; esac
  return $code
}
skip() { printf '%-40s%s\n' "$1" "skipped: $2"; printf '%s\tskipped\t%s\n' "$1" "$2" >> "$out/steps.tsv"; }
fact() { printf '%s\t%s\n' "$1" "$2" >> "$out/facts.tsv"; }

fact date "$(date -u +%F)"
fact commit "$(sed -n 's/^commit //p' MANIFEST)"
fact dry "$dry"
if command -v nvidia-smi > /dev/null; then
  fact gpu "$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1)"
  fact driver "$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1)"
  nvidia-smi -q > "$out/nvidia-smi.txt" 2>&1
elif (( dry )); then fact gpu "emulated on the host"; fact driver none; fi

# ---- 1. the device, its tests -------------------------------------------------------------------------------------------

step info lockstep info --model share/models/recall
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2> /dev/null || true)
while read -r ranks name program arguments; do
  launcher=()
  (( ranks == 0 )) || launcher=(mpirun -n "$ranks")
  # shellcheck disable=SC2086
  step "test.${name#gpu.}" env GTEST_FILTER="$test_filter" ${launcher[@]+"${launcher[@]}"} "bin/$program" $arguments
  for tool in memcheck racecheck synccheck; do
    if (( dry || quick || ranks != 0 )) || [[ -z $sanitizer ]]; then continue; fi
    # shellcheck disable=SC2086
    step "$tool.${name#gpu.}" env LOCKSTEP_CUDA_ARENA=off "$sanitizer" --tool "$tool" --error-exitcode 99 "bin/$program" $arguments
  done
done < share/gpu_tests.txt
[[ -n $sanitizer ]] || skip sanitizer "there is no compute-sanitizer"

# ---- 2. the same answers ------------------------------------------------------------------------------------------------

answer() {  # name, model, ranks, options…
  local name=$1 model=$2 ranks=$3 launcher=() size=()
  shift 3
  (( ranks == 1 )) || launcher=(mpirun -n "$ranks")
  [[ " $* " == *" --cache.device_tokens "* ]] || size=(${device_size[@]+"${device_size[@]}"})
  step "answers.$name" ${launcher[@]+"${launcher[@]}"} lockstep generate --model "share/models/$model" --input "$requests" \
    --output "$out/$name.jsonl" --summary "$out/$name.summary.json" --restart ${answer_options[@]+"${answer_options[@]}"} \
    ${size[@]+"${size[@]}"} "$@"
}
texts() { sed 's/.*"text":"\(.*\)","finish_reason".*/\1/' "$1"; }
compare() {  # name, file, file: every byte
  if [[ -s $2 && -s $3 ]] && cmp -s "$2" "$3"; then fact "same.$1" yes; else fact "same.$1" NO; fi
}

# Another device rounds differently: a text may differ where two tokens are nearly equal, not one in twenty.
compare_texts() {  # name, file of the GPU, file of the CPU
  [[ -s $2 && -s $3 ]] || return
  local equal all
  # Tabs stand in JSON as \t, so they separate.
  equal=$(paste <(texts "$2") <(texts "$3") | awk -F '\t' '$1 == $2' | wc -l)
  all=$(wc -l < "$2")
  fact "equal_to_cpu.$1" "$equal of $all"
  (( 100 * equal >= 95 * all )) || fact "same.$1.as_on_the_cpu" "NO, $equal of $all"
}
answer_set() {  # name, model, variants, options…: on both devices, and every way that must not change a byte
  local name=$1 model=$2 variants=$3 variant ranks ways
  shift 3
  answer "$name.gpu" "$model" 1 --device cuda "$@"
  answer "$name.cpu" "$model" 1 --device cpu "$@"
  for variant in $variants; do
    ranks=1
    case $variant in
      no_graphs) ways=(--graphs false) ;;
      no_plan_ahead) ways=(--plan-ahead off) ;;
      batch_1) ways=(--schedule.max_sequences 1) ;;
      small_steps) ways=(--schedule.max_step_tokens 64) ;;
      two_ranks) ranks=2 ways=(--share-gpu) ;;
      offload) ways=("${offload[@]}" --attention.sparse_hot_pages 0) ;;
      hot_pages) ways=("${offload[@]}") ;;
    esac
    answer "$name.$variant" "$model" "$ranks" --device cuda "$@" "${ways[@]}"
    compare "$name.$variant" "$out/$name.gpu.jsonl" "$out/$name.$variant.jsonl"
  done
  compare_texts "$name" "$out/$name.gpu.jsonl" "$out/$name.cpu.jsonl"
}
happened() {  # name, summary, field of its block "sparse": the comparison shows something only if that is above 0
  local count
  count=$(sed -n "s/.*\"$3\": *\([0-9]*\).*/\1/p" "$2" 2> /dev/null | head -n 1)
  if (( ${count:-0} > 0 )); then fact "happened.$1.$3" "$count"; else fact "happened.$1.$3" NO; fi
}

everything="no_graphs no_plan_ahead batch_1 small_steps two_ranks"
# The dry run shows that every line works; the emulated tests compare the rest (tests/launcher/cli/cuda_test.py).
if (( dry )); then coded=two_ranks chosen=no_graphs; else coded=$everything chosen=$everything; fi
for model in "${models[@]}"; do
  answer_set "$model" "$model" "$everything"
  for format in "${formats[@]}"; do answer_set "$model.$format" "$model" "$coded" --cache.format "$format"; done
  [[ $model == recall ]] || continue  # sizes of offload are for its requests
  for ratio in "${ratios[@]}"; do
    answer_set "$model.sparse_$ratio" "$model" "$chosen offload hot_pages" --attention.sparse_ratio "$ratio" "${sparse[@]}"
    happened "$model.sparse_$ratio" "$out/$model.sparse_$ratio.gpu.summary.json" lists
    happened "$model.sparse_$ratio.offload" "$out/$model.sparse_$ratio.offload.summary.json" offloaded_pages
    happened "$model.sparse_$ratio.hot_pages" "$out/$model.sparse_$ratio.hot_pages.summary.json" hot_fetches
  done
  (( dry )) || answer_set "$model.kv4_sparse" "$model" "$everything offload hot_pages" --cache.format kv4 \
    --attention.sparse_ratio 0.1 "${sparse[@]}"
done

# ---- 3. figures ---------------------------------------------------------------------------------------------------------

step bench.kernels lockstep bench kernels --shape "$shape" --json "$out/kernels.json" "${common[@]}" ${kernels[@]+"${kernels[@]}"}
step bench.kernels_gqa8 lockstep bench kernels --shape "$shape_gqa8" --ops paged_attention --json "$out/kernels_gqa8.json" \
  "${common[@]}" ${kernels[@]+"${kernels[@]}"}
step bench.latency lockstep bench latency --shape "$shape" --json "$out/latency.json" "${common[@]}" ${latency[@]+"${latency[@]}"}
step bench.prefill lockstep bench prefill --shape "$shape" --json "$out/prefill.json" "${common[@]}" "${prefill[@]}"
step bench.decode lockstep bench decode --shape "$shape" --json "$out/decode.json" "${common[@]}" "${decode[@]}"

# Coded pages: the operations on them alone. Those of unquantised pages stand in bench.kernels.
for format in "${formats[@]}"; do
  step "bench.kernels_$format" lockstep bench kernels --shape "$shape" --ops paged_attention,seal_pages,select_pages,index_pages,hot_pages \
    --cache.format "$format" --json "$out/kernels_$format.json" "${common[@]}" ${kernels[@]+"${kernels[@]}"}
done
# A long context: every format and ratio beside unquantised pages and dense attention, one after another.
long_context() {  # name, options…
  local name=$1
  shift
  step "bench.long_$name" lockstep bench decode --shape "$shape" --json "$out/long_$name.json" "${common[@]}" "${long[@]}" "$@"
}
long_context full
for format in "${formats[@]}"; do long_context "$format" --cache.format "$format"; done
for ratio in "${ratios[@]}"; do long_context "sparse_$ratio" --attention.sparse_ratio "$ratio" ${long_sparse[@]+"${long_sparse[@]}"}; done
on_host=(--attention.sparse_offload true --cache.device_tokens "$long_device_tokens" --cache.host_tokens "$(( 4 * long_device_tokens ))")
ratio=${ratios[0]}
long_context "sparse_${ratio}_kv4" --attention.sparse_ratio "$ratio" ${long_sparse[@]+"${long_sparse[@]}"} --cache.format kv4
long_context "sparse_${ratio}_offload" --attention.sparse_ratio "$ratio" ${long_sparse[@]+"${long_sparse[@]}"} "${on_host[@]}" --attention.sparse_hot_pages 0
long_context "sparse_${ratio}_hot_pages" --attention.sparse_ratio "$ratio" ${long_sparse[@]+"${long_sparse[@]}"} "${on_host[@]}"

# ---- 4. the same shapes in torch ----------------------------------------------------------------------------------------

if [[ -n $LOCKSTEP_PYTHON ]] && "$LOCKSTEP_PYTHON" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2> /dev/null; then
  step yardstick "$LOCKSTEP_PYTHON" torch_yardstick.py --json "$out/torch.json"
else
  skip yardstick "there is no Python with torch and a GPU"
fi

# ---- 5. the table -------------------------------------------------------------------------------------------------------

if [[ -n $LOCKSTEP_PYTHON ]]; then
  "$LOCKSTEP_PYTHON" report.py "$out" | tee "$out/gpu-results.md"
else
  echo "no Python here: run report.py on a copy of $out"
fi
failed=$(awk -F '\t' '$2 != 0 && $2 != "skipped"' "$out/steps.tsv" | wc -l)
different=$(awk -F '\t' '$1 ~ /^same\./ && $2 != "yes"' "$out/facts.tsv" | wc -l)
vain=$(awk -F '\t' '$1 ~ /^happened\./ && $2 == "NO"' "$out/facts.tsv" | wc -l)
echo "$failed steps failed, $different answers differ, $vain comparisons show nothing"
(( failed == 0 && different == 0 && vain == 0 ))
