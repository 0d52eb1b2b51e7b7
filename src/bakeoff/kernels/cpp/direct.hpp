// Convolutions of any kernel and stride, tap by tap.

#pragma once

#include "winograd.hpp"

static int64_t weight_place(const Layer& l, int64_t out, int64_t in, int64_t tap) {
    int64_t taps = l.kernel_height * l.kernel_width;
    return l.weight_last ? (out * taps + tap) * l.channels + in : (out * l.channels + in) * taps + tap;
}

static void direct_forward(const Layer& l) {
    int64_t ins = l.channels, outs = l.out_channels, taps = l.kernel_height * l.kernel_width, column = ins * L;
    float* packed = packed_buffer.get(taps * ins * outs);  // [tap][in][out]
    for (int64_t tap = 0; tap < taps; ++tap)
        for (int64_t in = 0; in < ins; ++in)
            for (int64_t out = 0; out < outs; ++out) packed[(tap * ins + in) * outs + out] = l.weight[weight_place(l, out, in, tap)];
    const float *x[MOST_TAPS], *weights[MOST_TAPS];
    for (int64_t tap = 0; tap < taps; ++tap) weights[tap] = packed + tap * ins * outs;
    MakeRow make_row(l.source, l.width, ins);
    ResultRows result(l);
    Ring ring(source_ring_buffer, l.kernel_height, (l.out_width - 1) * l.stride + l.kernel_width + l.stride + l.padding, ins, l.padding);
    for (int64_t group = 0; group < groups_of(l); ++group) {
        auto make = [&](int64_t y, float* to) { make_row(group * source_size(l) + y * source_row(l), to); };
        int64_t filled = 0;
        for (int64_t y = 0; y < l.out_height; ++y) {
            int64_t end = y * l.stride + l.kernel_height;
            ring.fill(filled, end, l.padding, l.height, make);
            filled = end;
            for (int64_t tap = 0; tap < taps; ++tap)
                x[tap] = ring.at(y * l.stride + tap / l.kernel_width) + tap % l.kernel_width * column;
            float* to = result.at(group, y);
            multiply(taps, x, weights, l.out_width, ins, outs, l.stride * column, to, outs * L);
            result.take(group, y, to);
            result.end_rows();
        }
        for (; l.source.stored && filled < l.padding + l.height; ++filled) ring.fill(filled, filled + 1, l.padding, l.height, make);
        result.end_group(group);
    }
    result.finish();
}

// The gradient of weights and bias.
static void direct_weight_gradient(const Layer& l, ResultGradientRows& result) {
    int64_t ins = l.channels, outs = l.out_channels, taps = l.kernel_height * l.kernel_width, column = ins * L;
    float* weight = l.result_gradient.weight;
    Outer outer(outs, ins);
    float* sums = filter_sums_buffer.zeros(taps * outer.size());
    float* gradient = gradient_ring_buffer.get(result_row(l));
    Source kept = stored_source(l.source);
    MakeRow make_row(kept, l.width, ins);
    Ring ring(source_ring_buffer, l.kernel_height, (l.out_width - 1) * l.stride + l.kernel_width + l.stride + l.padding, ins, l.padding);
    for (int64_t group = 0; group < groups_of(l); ++group) {
        auto make = [&](int64_t y, float* to) { make_row(group * source_size(l) + y * source_row(l), to); };
        int64_t filled = 0;
        for (int64_t y = 0; y < l.out_height; ++y) {
            result(group, y, gradient);
            result.end_rows();
            if (!weight) continue;
            int64_t end = y * l.stride + l.kernel_height;
            ring.fill(filled, end, l.padding, l.height, make);
            filled = end;
            for (int64_t tap = 0; tap < taps; ++tap)
                outer.add(l.out_width, gradient, outs * L, ring.at(y * l.stride + tap / l.kernel_width) + tap % l.kernel_width * column,
                          l.stride * column, sums + tap * outer.size());
        }
        result.end_group(group);
    }
    result.finish();
    for (int64_t tap = 0; weight && tap < taps; ++tap)
        outer.each([&](int64_t place, int64_t out, int64_t in) { weight[weight_place(l, out, in, tap)] = sums[tap * outer.size() + place]; });
}

static int64_t down_to(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }  // floor of a / b

// The gradient of the source: pixels whose places leave the same remainder by the stride have the same taps.
static void direct_source_gradient(const Layer& l, ResultGradientRows& result) {
    int64_t ins = l.channels, outs = l.out_channels, taps = l.kernel_height * l.kernel_width, stride = l.stride;
    float* packed = packed_buffer.get(taps * ins * outs);  // [tap][out][in]
    for (int64_t tap = 0; tap < taps; ++tap)
        for (int64_t out = 0; out < outs; ++out)
            for (int64_t in = 0; in < ins; ++in) packed[(tap * outs + out) * ins + in] = l.weight[weight_place(l, out, in, tap)];
    SourceGradientRows source(l);
    // Rows and columns of the gradient that the first pixels read lie before it.
    int64_t above = l.kernel_height, left = l.kernel_width;
    Ring ring(gradient_ring_buffer, l.kernel_height / stride + 2, left + std::max(l.out_width, (l.width + l.padding) / stride + 1), outs, left);
    float* row = strip_buffer.get(source_row(l));
    const float *from[MOST_TAPS], *weights[MOST_TAPS];
    for (int64_t group = 0; group < groups_of(l); ++group) {
        auto make = [&](int64_t y, float* to) { result(group, y, to); };
        int64_t filled = above + down_to(l.padding - l.kernel_height + 1, stride);
        for (int64_t y = 0; y < l.height; ++y) {
            int64_t end = above + down_to(y + l.padding, stride) + 1;
            ring.fill(filled, end, above, l.out_height, make);
            filled = std::max(filled, end);
            for (int64_t first = 0; first < std::min(stride, l.width); ++first) {
                int64_t number = 0, pixels = (l.width - first + stride - 1) / stride;
                for (int64_t ky = 0; ky < l.kernel_height; ++ky) {
                    int64_t out_y = y + l.padding - ky;
                    if (((out_y % stride) + stride) % stride) continue;
                    for (int64_t kx = 0; kx < l.kernel_width; ++kx) {
                        int64_t out_x = first + l.padding - kx;
                        if (((out_x % stride) + stride) % stride) continue;
                        from[number] = ring.at(above + down_to(out_y, stride)) + (left + down_to(out_x, stride)) * outs * L;
                        weights[number++] = packed + (ky * l.kernel_width + kx) * outs * ins;
                    }
                }
                multiply(number, from, weights, pixels, outs, ins, outs * L, row + first * ins * L, stride * ins * L);
            }
            source.take(group, y, row);
            source.end_rows();
        }
        source.end_group(group);
    }
    source.finish();
}

static void direct_backward(const Layer& l) {
    ResultGradientRows result(l);
    direct_weight_gradient(l, result);
    if (l.source_gradient.gradient) direct_source_gradient(l, result);
}
