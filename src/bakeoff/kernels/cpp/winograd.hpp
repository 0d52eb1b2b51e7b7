// 3 x 3 convolutions with stride 1 by two-dimensional minimal filtering, F(2 x 2, 3 x 3) (A. Lavin and S. Gray, Fast
// Algorithms for Convolutional Neural Networks, 2016): 16 products for 4 outputs instead of 36.
//
//     outputs = A^T (U . (B^T inputs B)) A       U = G weights G^T       weights' gradient = G^T ((A dY A^T) . (B^T inputs B)) G
//
// The factors are sums of at most four numbers, so rounding stays what it is without; and shorter sums make up for it.
// An input that is NaN reaches the outputs that it belongs to and no others; one that is infinite may give them NaN.

#pragma once

#include "products.hpp"

static inline void filter_inputs(const Vector* d, Vector* t) { t[0] = d[0] - d[2], t[1] = d[1] + d[2], t[2] = d[2] - d[1], t[3] = d[1] - d[3]; }
static inline void filter_products(const Vector* m, Vector* o) { o[0] = m[0] + m[1] + m[2], o[1] = m[1] - m[2] - m[3]; }
static inline void filter_gradient(const Vector* y, Vector* m) { m[0] = y[0], m[1] = y[0] + y[1], m[2] = y[0] - y[1], m[3] = Vector{} - y[1]; }

static thread_local Buffer source_ring_buffer, gradient_ring_buffer, source_tiles_buffer, gradient_tiles_buffer, strip_buffer,
    filters_buffer, filter_sums_buffer, packed_buffer;

// U[16][in][out] of weights w(out, in, ky, kx).
template <class F> static const float* filter_weights(int64_t ins, int64_t outs, F w) {
    float* to = filters_buffer.get(16 * ins * outs);
    auto rows = [](const float* g, float* t) { t[0] = g[0], t[1] = (g[0] + g[1] + g[2]) / 2, t[2] = (g[0] - g[1] + g[2]) / 2, t[3] = g[2]; };
    for (int64_t in = 0; in < ins; ++in)
        for (int64_t out = 0; out < outs; ++out) {
            float half[3][4];  // [kx][row]
            for (int kx = 0; kx < 3; ++kx) {
                float column[3] = {w(out, in, 0, kx), w(out, in, 1, kx), w(out, in, 2, kx)};
                rows(column, half[kx]);
            }
            for (int y = 0; y < 4; ++y) {
                float line[3] = {half[0][y], half[1][y], half[2][y]}, t[4];
                rows(line, t);
                for (int x = 0; x < 4; ++x) to[((y * 4 + x) * ins + in) * outs + out] = t[x];
            }
        }
    return to;
}

// The last rows of an image, with columns of zeros around them.
struct Ring {
    float* memory;
    int64_t rows, channels, pixel, row, left;
    Ring(Buffer& buffer, int64_t rows, int64_t columns, int64_t channels, int64_t left)
        : rows(rows), channels(channels), pixel(pixel_of(channels)), row(columns * pixel), left(left) { memory = buffer.zeros(rows * row); }
    float* at(int64_t y) const { return memory + int64_t(uint32_t(y) % uint32_t(rows)) * row; }  // y >= 0
    // Makes rows [from, to), those in [first, first + height) by `make(y - first, where, pixel)`, the others of zeros.
    template <class F> void fill(int64_t from, int64_t to, int64_t first, int64_t height, F make) {
        for (int64_t y = from; y < to; ++y)
            if (y >= first && y < first + height) make(y - first, at(y) + left * pixel, pixel);
            else std::memset(at(y), 0, size_t(row) * 4);
    }
};

static void tile_of_inputs(const Ring& ring, int64_t y, int64_t x, float* to, int64_t step) {  // to[16][channel]
    int64_t column = ring.pixel;
    const float* rows[4] = {ring.at(y) + x * column, ring.at(y + 1) + x * column, ring.at(y + 2) + x * column, ring.at(y + 3) + x * column};
    for (int64_t c = 0; c < ring.channels; ++c, to += L) {
        Vector half[4][4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            Vector d[4];
#pragma GCC unroll 4
            for (int j = 0; j < 4; ++j) d[j] = load(rows[i] + j * column + c * L);
            filter_inputs(d, half[i]);
        }
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            Vector d[4] = {half[0][j], half[1][j], half[2][j], half[3][j]}, t[4];
            filter_inputs(d, t);
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i) store(to + (i * 4 + j) * step, t[i]);
        }
    }
}

static void tile_of_gradient(const Ring& ring, int64_t y, int64_t x, float* to, int64_t step) {
    int64_t column = ring.pixel;
    const float* rows[2] = {ring.at(y) + x * column, ring.at(y + 1) + x * column};
    for (int64_t c = 0; c < ring.channels; ++c, to += L) {
        Vector half[2][4];
#pragma GCC unroll 4
        for (int i = 0; i < 2; ++i) {
            Vector d[2] = {load(rows[i] + c * L), load(rows[i] + column + c * L)};
            filter_gradient(d, half[i]);
        }
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            Vector d[2] = {half[0][j], half[1][j]}, t[4];
            filter_gradient(d, t);
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i) store(to + (i * 4 + j) * step, t[i]);
        }
    }
}

static void outputs_of_tile(const float* products, int64_t step, int64_t channels, float* to, int64_t row) {
    int64_t column = channels * L;
    for (int64_t c = 0; c < channels; ++c, products += L, to += L) {
        Vector half[2][4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            Vector m[4], t[2];
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i) m[i] = load(products + (i * 4 + j) * step);
            filter_products(m, t);
            half[0][j] = t[0], half[1][j] = t[1];
        }
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            Vector t[2];
            filter_products(half[i], t);
            store(to + i * row, t[0]), store(to + i * row + column, t[1]);
        }
    }
}

constexpr int64_t TILES = 16;  // are computed at a time
static int64_t tile_rows(int64_t across, int64_t down) { return std::max<int64_t>(1, std::min(down, TILES / across)); }

static void winograd_forward(const Layer& l) {
    int64_t across = (l.out_width + 1) / 2, down = (l.out_height + 1) / 2, ins = l.channels, outs = l.out_channels;
    int64_t strip = tile_rows(across, down);
    auto weight = [&](int64_t out, int64_t in, int64_t ky, int64_t kx) {
        return l.weight[l.weight_last ? ((out * 3 + ky) * 3 + kx) * ins + in : ((out * ins + in) * 3 + ky) * 3 + kx];
    };
    const float* filters = filter_weights(ins, outs, weight);
    MakeRow make_row(l.source, l.width, ins);
    ResultRows result(l);
    bool in_place = l.out_width % 2 == 0 && l.out_height % 2 == 0;
    int64_t row = in_place ? result_row(l) : 2 * across * outs * L;
    float* outside = in_place ? nullptr : strip_buffer.get(2 * strip * row);
    Ring ring(source_ring_buffer, 2 * strip + 2, 2 * across + 2, ins, l.padding);
    int64_t in_tile = pixel_of(ins), out_tile = pixel_of(outs), in_step = TILES * in_tile + L, out_step = TILES * out_tile + L;
    float *inputs = source_tiles_buffer.get(16 * in_step), *products = gradient_tiles_buffer.get(16 * out_step);
    for (int64_t group = 0; group < groups_of(l); ++group) {
        auto make = [&](int64_t y, float* to, int64_t pixel) { make_row(group * source_size(l) + y * source_row(l), to, pixel); };
        int64_t filled = 0;
        for (int64_t first = 0; first < down; first += strip) {
            int64_t rows = std::min(strip, down - first), tiles = rows * across;
            ring.fill(filled, 2 * (first + rows) + 2, l.padding, l.height, make);
            filled = 2 * (first + rows) + 2;
            float* strip_at = in_place ? result.at(group, 2 * first) : outside;
            for (int64_t begin = 0; begin < tiles; begin += TILES) {
                int64_t count = std::min(TILES, tiles - begin);
                for (int64_t t = 0; t < count; ++t)
                    tile_of_inputs(ring, 2 * (first + (begin + t) / across), (begin + t) % across * 2, inputs + t * in_tile, in_step);
                for (int64_t f = 0; f < 16; ++f) {
                    const float *x = inputs + f * in_step, *w = filters + f * ins * outs;
                    multiply(1, &x, &w, count, ins, outs, in_tile, products + f * out_step, out_tile);
                }
                for (int64_t t = 0; t < count; ++t)
                    outputs_of_tile(products + t * out_tile, out_step, outs,
                                    strip_at + (begin + t) / across * 2 * row + (begin + t) % across * 2 * outs * L, row);
            }
            for (int64_t y = 2 * first; y < std::min(2 * (first + rows), l.out_height); ++y)
                result.take(group, y, strip_at + (y - 2 * first) * row);
            result.end_rows();
        }
        result.end_group(group);
    }
    result.finish();
}

static void winograd_backward(const Layer& l) {
    int64_t ins = l.channels, outs = l.out_channels, border = 2 - l.padding;
    SourceGradientRows source(l);
    bool of_weight = l.result_gradient.weight != nullptr, of_source = source.needed();
    int64_t out_across = (l.out_width + 1) / 2, out_down = (l.out_height + 1) / 2;
    int64_t in_across = of_source ? (l.width + 1) / 2 : 0, in_down = of_source ? (l.height + 1) / 2 : 0;
    int64_t across = std::max(out_across, in_across), down = std::max(out_down, in_down);
    int64_t strip = tile_rows(across, down);
    auto turned = [&](int64_t in, int64_t out, int64_t ky, int64_t kx) {
        ky = 2 - ky, kx = 2 - kx;
        return l.weight[l.weight_last ? ((out * 3 + ky) * 3 + kx) * ins + in : ((out * ins + in) * 3 + ky) * 3 + kx];
    };
    const float* filters = of_source ? filter_weights(outs, ins, turned) : nullptr;
    Source kept = stored_source(l.source);
    MakeRow make_row(kept, l.width, ins);
    ResultGradientRows result(l);
    Outer outer(outs, ins);
    float* sums = filter_sums_buffer.zeros(16 * outer.size());
    int64_t row = 2 * across * ins * L;
    Ring x(source_ring_buffer, 2 * strip + 2, 2 * across + 4, ins, l.padding);
    Ring g(gradient_ring_buffer, 2 * strip + 2, 2 * across + 4, outs, border);
    int64_t in_tile = pixel_of(ins), out_tile = pixel_of(outs), in_step = TILES * in_tile + L, out_step = TILES * out_tile + L;
    // Their memory is used twice: for both sides of the weights' gradient, then for both sides of the input's.
    float *in_tiles = source_tiles_buffer.get(16 * in_step), *out_tiles = gradient_tiles_buffer.get(16 * out_step);
    float* strip_at = of_source ? strip_buffer.get(2 * strip * row) : nullptr;
    for (int64_t group = 0; group < groups_of(l); ++group) {
        auto make = [&](int64_t y, float* to, int64_t pixel) { make_row(group * source_size(l) + y * source_row(l), to, pixel); };
        auto make_gradient = [&](int64_t y, float* to, int64_t pixel) { result(group, y, to, pixel); };
        int64_t filled = 0;
        for (int64_t first = 0; first < down; first += strip) {
            int64_t rows = std::min(strip, down - first), tiles = rows * across, end = 2 * (first + rows) + 2;
            if (of_weight) x.fill(filled, end, l.padding, l.height, make);
            g.fill(filled, end, border, l.out_height, make_gradient);
            filled = end;
            result.end_rows();
            for (int64_t begin = 0; begin < tiles; begin += TILES) {
                int64_t count = std::min(TILES, tiles - begin);
                auto down_at = [&](int64_t t) { return first + (begin + t) / across; };
                auto across_at = [&](int64_t t) { return (begin + t) % across; };
                if (of_weight) {
                    int64_t used = 0;
                    for (int64_t t = 0; t < count; ++t) {
                        if (down_at(t) >= out_down || across_at(t) >= out_across) continue;
                        tile_of_inputs(x, 2 * down_at(t), 2 * across_at(t), in_tiles + used * in_tile, in_step);
                        tile_of_gradient(g, 2 * down_at(t) + border, 2 * across_at(t) + border, out_tiles + used++ * out_tile, out_step);
                    }
                    for (int64_t f = 0; f < 16; ++f)
                        outer.add(used, out_tiles + f * out_step, out_tile, in_tiles + f * in_step, in_tile, sums + f * outer.size());
                }
                if (!of_source) continue;
                for (int64_t t = 0; t < count; ++t) tile_of_inputs(g, 2 * down_at(t), 2 * across_at(t), out_tiles + t * out_tile, out_step);
                for (int64_t f = 0; f < 16; ++f) {
                    const float *from = out_tiles + f * out_step, *w = filters + f * ins * outs;
                    multiply(1, &from, &w, count, outs, ins, out_tile, in_tiles + f * in_step, in_tile);
                }
                for (int64_t t = 0; t < count; ++t)
                    outputs_of_tile(in_tiles + t * in_tile, in_step, ins,
                                    strip_at + (begin + t) / across * 2 * row + across_at(t) * 2 * ins * L, row);
            }
            if (!of_source) continue;
            for (int64_t y = 2 * first; y < std::min(2 * (first + rows), l.height); ++y) source.take(group, y, strip_at + (y - 2 * first) * row);
            source.end_rows();
        }
        result.end_group(group);
        if (of_source) source.end_group(group);
    }
    result.finish();
    source.finish();
    if (!of_weight) return;
    auto columns = [](const float* m, float* w) { w[0] = m[0] + (m[1] + m[2]) / 2, w[1] = (m[1] - m[2]) / 2, w[2] = (m[1] + m[2]) / 2 + m[3]; };
    outer.each([&](int64_t place, int64_t out, int64_t in) {
        float half[3][4];  // [ky][x]
        for (int xx = 0; xx < 4; ++xx) {
            float m[4], w[3];
            for (int y = 0; y < 4; ++y) m[y] = sums[(y * 4 + xx) * outer.size() + place];
            columns(m, w);
            for (int ky = 0; ky < 3; ++ky) half[ky][xx] = w[ky];
        }
        for (int ky = 0; ky < 3; ++ky) {
            float w[3];
            columns(half[ky], w);
            for (int kx = 0; kx < 3; ++kx)
                l.result_gradient.weight[l.weight_last ? ((out * 3 + ky) * 3 + kx) * ins + in : ((out * ins + in) * 3 + ky) * 3 + kx] = w[kx];
        }
    });
}
