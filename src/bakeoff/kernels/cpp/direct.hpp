// Convolutions of any kernel and stride, tap by tap; depthwise ones, where each channel has a filter of its own, too.

#pragma once

#include "winograd.hpp"

static int64_t weight_place(const Layer& l, int64_t out, int64_t in, int64_t tap) {
    int64_t taps = l.kernel_height * l.kernel_width, ins = l.depthwise ? 1 : l.channels;
    return l.weight_last ? (out * taps + tap) * ins + in : (out * ins + in) * taps + tap;
}

// The weights as [tap][in][out], or turned [tap][out][in]; depthwise [tap][channel].
static const float* pack_weights(const Layer& l, bool turned) {
    int64_t taps = l.kernel_height * l.kernel_width, ins = l.depthwise ? 1 : l.channels, outs = l.out_channels;
    int64_t rows = turned ? outs : ins, columns = turned ? ins : outs;
    float *packed = packed_buffer.get(taps * ins * outs), *to = packed;
    for (int64_t tap = 0; tap < taps; ++tap)
        for (int64_t row = 0; row < rows; ++row)
            for (int64_t column = 0; column < columns; ++column)
                *to++ = l.weight[weight_place(l, turned ? row : column, turned ? column : row, tap)];
    return packed;
}

// As `multiply`, with weights [tap][channel]: each channel by itself.
template <int T>
static void multiply_channels_of(int64_t taps, const float* const* x, const float* const* weights, int64_t at, int64_t channels,
                                 int64_t step, float* to, int64_t to_step) {
    for (int64_t c = 0; c < channels; ++c) {
        Vector sums[T];
        UNROLLED(int t = 0; t < T; ++t) sums[t] = Vector{};
        for (int64_t k = 0; k < taps; ++k) {
            const float* from = x[k] + at + c * L;
            float weight = weights[k][c];
            UNROLLED(int t = 0; t < T; ++t) sums[t] += load(from + t * step) * weight;
        }
        UNROLLED(int t = 0; t < T; ++t) store(to + t * to_step + c * L, sums[t]);
    }
}
static void multiply_channels(int64_t taps, const float* const* x, const float* const* weights, int64_t pixels,
                              int64_t channels, int64_t step, float* to, int64_t to_step) {
    int64_t pixel = 0;
    for (; pixel + 4 <= pixels; pixel += 4) multiply_channels_of<4>(taps, x, weights, pixel * step, channels, step, to + pixel * to_step, to_step);
    for (; pixel < pixels; ++pixel) multiply_channels_of<1>(taps, x, weights, pixel * step, channels, step, to + pixel * to_step, to_step);
}

static void direct_forward(const Layer& l) {
    int64_t ins = l.channels, outs = l.out_channels, taps = l.kernel_height * l.kernel_width, column = pixel_of(ins);
    const float *packed = pack_weights(l, false), *x[MOST_TAPS], *weights[MOST_TAPS];
    for (int64_t tap = 0; tap < taps; ++tap) weights[tap] = packed + tap * (l.depthwise ? 1 : ins) * outs;
    MakeRow make_row(l.source, l.width, ins);
    ResultRows result(l);
    Ring ring(source_ring_buffer, l.kernel_height, (l.out_width - 1) * l.stride + l.kernel_width + l.stride + l.padding, ins, l.padding);
    for (int64_t group = 0; group < groups_of(l); ++group) {
        auto make = [&](int64_t y, float* to, int64_t pixel) { make_row(group * source_size(l) + y * source_row(l), to, pixel); };
        int64_t filled = 0;
        for (int64_t y = 0; y < l.out_height; ++y) {
            int64_t end = y * l.stride + l.kernel_height;
            ring.fill(filled, end, l.padding, l.height, make);
            filled = end;
            for (int64_t tap = 0; tap < taps; ++tap)
                x[tap] = ring.at(y * l.stride + tap / l.kernel_width) + tap % l.kernel_width * column;
            float* to = result.at(group, y);
            if (l.depthwise) multiply_channels(taps, x, weights, l.out_width, ins, l.stride * column, to, ins * L);
            else multiply(taps, x, weights, l.out_width, ins, outs, l.stride * column, to, outs * L);
            result.take(group, y, to);
            result.end_rows();
        }
        for (; l.source.stored && filled < l.padding + l.height; ++filled) ring.fill(filled, filled + 1, l.padding, l.height, make);
        result.end_group(group);
    }
    result.finish();
}

// The gradient of weights and bias, row by row of the result's gradient.
class DirectWeightGradient {
    const Layer& l;
    int64_t taps, column, filled = 0;
    Outer outer;
    Source kept;
    MakeRow make_row;
    float* sums;
    Ring ring;
public:
    explicit DirectWeightGradient(const Layer& l)
        : l(l), taps(l.kernel_height * l.kernel_width), column(pixel_of(l.channels)), outer(l.out_channels, l.channels),
          kept(stored_source(l.source)), make_row(kept, l.width, l.channels),
          ring(source_ring_buffer, l.kernel_height, (l.out_width - 1) * l.stride + l.kernel_width + l.stride + l.padding, l.channels, l.padding) {
        sums = filter_sums_buffer.zeros(taps * outer.size());
    }
    void add(int64_t group, int64_t y, const float* gradient, int64_t gradient_step) {
        if (!l.result_gradient.weight) return;
        int64_t end = y * l.stride + l.kernel_height;
        ring.fill(y ? filled : 0, end, l.padding, l.height, [&](int64_t from, float* to, int64_t pixel) {
            make_row(group * source_size(l) + from * source_row(l), to, pixel);
        });
        filled = end;
        const float* x[MOST_TAPS];
        for (int64_t tap = 0; tap < taps; ++tap)
            x[tap] = ring.at(y * l.stride + tap / l.kernel_width) + tap % l.kernel_width * column;
        for (int64_t tap = 0; tap < taps; ++tap)
            outer.add(l.out_width, gradient, gradient_step, x[tap], l.stride * column, sums + tap * outer.size());
    }
    void finish() const {
        float* weight = l.result_gradient.weight;
        for (int64_t tap = 0; weight && tap < taps; ++tap)
            outer.each([&](int64_t place, int64_t out, int64_t in) {
                weight[weight_place(l, out, in, tap)] = sums[tap * outer.size() + place];
            });
    }
};

static int64_t down_to(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }  // floor of a / b

// The last rows of the result's gradient, and what of them a pixel of the source has to do with.
class GradientRing {
    const Layer& l;
    int64_t above, left, filled = 0;  // rows and columns of the gradient that the first pixels read lie before it
    Ring ring;
public:
    const int64_t pixel;
    explicit GradientRing(const Layer& l)
        : l(l), above(l.kernel_height), left(l.kernel_width),
          ring(gradient_ring_buffer, above / l.stride + 2, left + std::max(l.out_width, (l.width + l.padding) / l.stride + 1), l.out_channels, left),
          pixel(ring.pixel) {}
    // Makes what row y of the source needs, by make(row, where, pixel); rows come in order, from 0 in each group.
    template <class F> void fill(int64_t y, F make) {
        if (!y) filled = above + down_to(l.padding - l.kernel_height + 1, l.stride);
        int64_t end = above + down_to(y + l.padding, l.stride) + 1;
        ring.fill(filled, end, above, l.out_height, make);
        filled = std::max(filled, end);
    }
    // f(tap, gradient): of pixels first, first + stride, ... of row y, which have the same taps.
    template <class F> void each_tap(int64_t y, int64_t first, F f) const {
        auto meets = [&](int64_t place) { return ((place % l.stride) + l.stride) % l.stride == 0; };
        for (int64_t ky = 0; ky < l.kernel_height; ++ky)
            for (int64_t kx = 0; kx < l.kernel_width; ++kx) {
                int64_t out_y = y + l.padding - ky, out_x = first + l.padding - kx;
                if (meets(out_y) && meets(out_x))
                    f(ky * l.kernel_width + kx, ring.at(above + down_to(out_y, l.stride)) + (left + down_to(out_x, l.stride)) * pixel);
            }
    }
};

// Both gradients take a row of the result's while it is in the cache.
static void taps_backward(const Layer& l) {
    int64_t ins = l.channels, outs = l.out_channels, stride = l.stride;
    ResultGradientRows result(l);
    SourceGradientRows source(l);
    DirectWeightGradient weight(l);
    const float* packed = pack_weights(l, true);
    GradientRing ring(l);
    float* row = strip_buffer.get(source_row(l));
    const float *from[MOST_TAPS], *weights[MOST_TAPS];
    for (int64_t group = 0; group < groups_of(l); ++group) {
        for (int64_t y = 0; y < l.height; ++y) {
            ring.fill(y, [&](int64_t y, float* to, int64_t pixel) {
                result(group, y, to, pixel);
                result.end_rows();
                weight.add(group, y, to, pixel);
            });
            if (!source.needed()) continue;
            for (int64_t first = 0; first < std::min(stride, l.width); ++first) {
                int64_t number = 0;
                ring.each_tap(y, first, [&](int64_t tap, const float* gradient) {
                    from[number] = gradient, weights[number++] = packed + tap * outs * ins;
                });
                multiply(number, from, weights, (l.width - first + stride - 1) / stride, outs, ins, ring.pixel, row + first * ins * L, stride * ins * L);
            }
            source.take(group, y, row);
            source.end_rows();
        }
        result.end_group(group), source.end_group(group);
    }
    result.finish(), source.finish(), weight.finish();
}

// What a pixel of each channel has to do with: gradients of the result, weights, and sums of products [channel][L].
struct Taps {
    int64_t number = 0;
    const float *gradient[MOST_TAPS], *weights[MOST_TAPS];
    float* sums[MOST_TAPS];
};
constexpr int MOST_AT_ONCE = 9;  // taps whose weights and sums stay in registers

// to[pixel] = sum over taps of gradient * weight, to which taps from `first` on are added, and sums += gradient * x[pixel].
template <int T>
[[gnu::noinline]] static void filter_tile(const Taps& taps, int64_t first, int64_t pixels, int64_t channels, int64_t gradient_step,
                                          const float* x, float* to, int64_t step) {
    for (int64_t c = 0; c < channels * L; c += L) {
        Vector weights[T], sums[T];
        const float* gradient[T];
        UNROLLED(int t = 0; t < T; ++t) {
            weights[t] = spread(taps.weights[first + t][c / L]), sums[t] = Vector{};
            gradient[t] = taps.gradient[first + t] + c;
        }
        for (int64_t pixel = 0; pixel < pixels; ++pixel) {
            int64_t at = pixel * step + c;
            Vector sum = first ? load(to + at) : Vector{}, value = load(x + at);
            UNROLLED(int t = 0; t < T; ++t) {
                Vector g = load(gradient[t] + pixel * gradient_step);
                keep_in_register(g);
                sums[t] += g * value, sum += g * weights[t];
            }
            store(to + at, sum);
        }
        UNROLLED(int t = 0; t < T; ++t) {
            float* sum = taps.sums[first + t] + c;
            store(sum, load(sum) + sums[t]);
        }
    }
}

// Each channel by itself: a gradient of the result is read once for both gradients of a row of the source.
static void depthwise_backward(const Layer& l) {
    int64_t channels = l.channels, number = l.kernel_height * l.kernel_width, step = l.stride * channels * L;
    ResultGradientRows result(l);
    SourceGradientRows source(l);
    Source kept = stored_source(l.source);
    MakeRow make_row(kept, l.width, channels);
    const float* packed = pack_weights(l, true);
    float* sums = filter_sums_buffer.zeros(number * channels * L);
    GradientRing ring(l);
    float *x = source_ring_buffer.get(source_row(l)), *to = strip_buffer.get(source_row(l));
    for (int64_t group = 0; group < groups_of(l); ++group) {
        for (int64_t y = 0; y < l.height; ++y) {
            ring.fill(y, [&](int64_t y, float* to, int64_t pixel) { result(group, y, to, pixel), result.end_rows(); });
            make_row(group * source_size(l) + y * source_row(l), x);
            for (int64_t first = 0; first < std::min(l.stride, l.width); ++first) {
                Taps taps;
                ring.each_tap(y, first, [&](int64_t tap, const float* gradient) {
                    taps.gradient[taps.number] = gradient, taps.weights[taps.number] = packed + tap * channels;
                    taps.sums[taps.number++] = sums + tap * channels * L;
                });
                int64_t pixels = (l.width - first + l.stride - 1) / l.stride, place = first * channels * L;
                for (int64_t i = 0; !taps.number && i < pixels; ++i) std::fill_n(to + place + i * step, channels * L, 0.0f);
                for (int64_t done = 0; done < taps.number; done += MOST_AT_ONCE)
                    with_number<MOST_AT_ONCE>(int(std::min<int64_t>(MOST_AT_ONCE, taps.number - done)), [&](auto t) {
                        filter_tile<decltype(t)::value>(taps, done, pixels, channels, ring.pixel, x + place, to + place, step);
                    });
            }
            if (!source.needed()) continue;
            source.take(group, y, to);
            source.end_rows();
        }
        result.end_group(group), source.end_group(group);
    }
    result.finish(), source.finish();
    float* weight = l.result_gradient.weight;
    for (int64_t tap = 0; weight && tap < number; ++tap)
        for (int64_t c = 0; c < channels; ++c) {
            double sum = 0;
            for (int lane = 0; lane < L; ++lane) sum += sums[(tap * channels + c) * L + lane];
            weight[weight_place(l, c, 0, tap)] = float(sum);
        }
}

// Kernels of one pixel: some rows at a time are one long row, and both gradients come from the same rows.
static void pointwise_backward(const Layer& l) {
    int64_t ins = l.channels, outs = l.out_channels, rows = std::min(l.height, (64 + l.width - 1) / l.width), pixels = rows * l.width, in_pixel = pixel_of(ins), out_pixel = pixel_of(outs);
    ResultGradientRows result(l);
    SourceGradientRows source(l);
    float* weight = l.result_gradient.weight;
    const float* packed = pack_weights(l, true);
    Outer outer(outs, ins);
    float* sums = filter_sums_buffer.zeros(outer.size());
    Source kept = stored_source(l.source);
    MakeRow make_row(kept, l.width, ins);
    float* gradient = gradient_ring_buffer.get(pixels * out_pixel);
    float *x = source_ring_buffer.get(pixels * in_pixel), *to = strip_buffer.get(pixels * ins * L);
    for (int64_t group = 0; group < groups_of(l); ++group) {
        for (int64_t first = 0; first < l.height; first += rows) {
            int64_t number = std::min(rows, l.height - first);
            for (int64_t y = 0; y < number; ++y) {
                if (weight) make_row(group * source_size(l) + (first + y) * source_row(l), x + y * l.width * in_pixel, in_pixel);
                result(group, first + y, gradient + y * l.width * out_pixel, out_pixel);
            }
            result.end_rows();
            if (weight) outer.add(number * l.width, gradient, out_pixel, x, in_pixel, sums);
            if (!source.needed()) continue;
            const float* from = gradient;
            multiply(1, &from, &packed, number * l.width, outs, ins, out_pixel, to, ins * L);
            for (int64_t y = 0; y < number; ++y) source.take(group, first + y, to + y * source_row(l));
            source.end_rows();
        }
        result.end_group(group), source.end_group(group);
    }
    result.finish(), source.finish();
    if (weight) outer.each([&](int64_t place, int64_t out, int64_t in) { weight[weight_place(l, out, in, 0)] = sums[place]; });
}

static void direct_backward(const Layer& l) {
    bool pointwise = l.kernel_height * l.kernel_width * l.stride == 1 && !l.padding;
    l.depthwise ? depthwise_backward(l) : pointwise ? pointwise_backward(l) : taps_backward(l);
}
