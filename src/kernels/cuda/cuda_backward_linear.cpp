// SPDX-License-Identifier: Apache-2.0
// Backward of linear maps and of the embedding on the card.
#include "kernels/cuda/backward_loss.h"
#include "kernels/cuda/backward_rows.h"
#include "kernels/cuda/cuda_backward.h"

namespace jang::kernels::cuda {

void CudaBackward::linear(std::span<const LinearGradient> maps, bool add, const Tensor& dx) {
  Columns columns;
  columns.n = dx.rows;
  for (const LinearGradient& map : maps) {
    linear_back({cuda_weight(*map.weight).matrices, rows_of(map.dy), rows_of(dx), columns, add}, device_.multiprocessors_,
                device_.stream());
    add = true;
  }
  device_.launched("gradient of linear");
}

void CudaBackward::expert_linear(std::span<const LinearGradient> maps, const Routing& routing, bool add, const Tensor& dx) {
  Columns columns;
  columns.n = dx.rows;
  columns.begin = address<const std::int32_t>(routing.begin);
  columns.experts = static_cast<std::int32_t>(routing.begin.rows - 1);
  for (const LinearGradient& map : maps) {
    linear_back({cuda_weight(*map.weight).matrices, rows_of(map.dy), rows_of(dx), columns, add}, device_.multiprocessors_,
                device_.stream());
    add = true;
  }
  device_.launched("gradient of expert_linear");
}

const void* CudaBackward::list(std::unique_ptr<CudaBuffer>* block, const void* from, std::int64_t bytes) {
  std::byte* at = device_.scratch(block, bytes);
  return at != nullptr && device_.send(from, bytes, at) ? at : nullptr;
}

const Product* CudaBackward::place(std::vector<Product>& products, int tile, std::int64_t* tiles) {
  std::erase_if(products, [](const Product& p) { return p.m == 0 || p.n == 0; });
  *tiles = 0;
  for (Product& p : products) {
    p.first_tile = static_cast<std::int32_t>(*tiles);
    *tiles += tiles_of(p, tile);
  }
  if (products.empty()) return nullptr;
  return static_cast<const Product*>(list(&lists_, products.data(), static_cast<std::int64_t>(products.size() * sizeof(Product))));
}

// Large tiles read less, but few of them leave the card idle. Either gives the same bits.
void CudaBackward::weight(std::span<const WeightGradient> products) {
  std::vector<Product> all;
  std::int64_t large = 0;
  for (const WeightGradient& w : products) {
    Product p;
    p.a = address(w.dy);
    p.b = address(w.x);
    p.c = address(w.dw);
    p.a_stride = w.dy.stride;
    p.b_stride = w.x.stride;
    p.c_stride = w.dw.stride;
    p.m = static_cast<std::int32_t>(w.dw.rows);
    p.n = static_cast<std::int32_t>(w.dw.columns);
    p.k = static_cast<std::int32_t>(w.x.rows);
    all.push_back(p);
    large += tiles_of(p, kLargeTile);
  }
  const int tile = large >= device_.multiprocessors_ ? kLargeTile : kSmallTile;
  std::int64_t tiles = 0;
  if (const Product* placed = place(all, tile, &tiles); placed != nullptr)
    product_of_columns(placed, static_cast<int>(all.size()), tile, tiles, device_.stream());
  device_.launched("gradient of weights");
}

void CudaBackward::softcap(const Tensor& logits, float softcap, const Tensor& dlogits) {
  soft_cap_back(rows_of(logits), softcap, rows_of(dlogits), logits.rows, logits.columns, device_.stream());
  device_.launched("gradient of softcap");
}

void CudaBackward::divergence(const Tensor& reference, float weight, const Tensor& logits, const Tensor& sums) {
  cuda::divergence(rows_of(reference), weight, rows_of(logits), rows_of(sums), logits.rows, logits.columns, device_.stream());
  device_.launched("divergence");
}

void CudaBackward::embed(const Tensor& ids, float scale, const Tensor& dout, std::int64_t first, const Tensor& dtable) {
  EmbedBackArgs a;
  a.ids = address<const std::int32_t>(ids);
  a.n = ids.rows;
  a.columns = dtable.columns;
  a.first = first;
  a.rows = dtable.rows;
  a.scale = scale;
  a.dout = rows_of(dout);
  a.dtable = rows_of(dtable);
  embed_back(a, device_.stream());
  device_.launched("gradient of embed");
}

}  // namespace jang::kernels::cuda
