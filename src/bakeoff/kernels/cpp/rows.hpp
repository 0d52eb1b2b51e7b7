// Layers of a net between which tensors stay in lanes, and what they have in common: the rows that they read and write.
//
// A tensor is [group of L images][row][column][channel][L]. What lies between two convolutions (batch norm, a residual
// sum, ReLU) is no pass of its own: a layer makes the rows of its input just before it needs them (`Source`), and after
// it has written rows, sums up what batch norm has to know of them (`Result`). Backward likewise: `ResultRows` makes the
// rows of a result's gradient, and `SourceRows` takes the rows of the input's gradient back through ReLU.

#pragma once

#include "lanes.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

constexpr int L = WIDTH;  // images side by side: one vector is a channel of a pixel of all of them

extern "C" {
struct Addend {  // values * scale + shift, by channels; values as they are where there is no scale
    const float *values, *scale, *shift;
};
struct Source {  // relu(first + second), or without one or the other
    Addend first, second;
    int64_t relu;
    float* stored;  // where forward keeps it and backward finds it, or null
};
struct Result {
    float* values;
    const float* bias;
    int64_t relu;  // of what is stored
    int64_t norm;  // what comes after: 0 nothing, 1 batch norm with running statistics, 2 with the batch's
    const float *scale, *shift;
    float *running_mean, *running_variance;
    double momentum, epsilon;
    float* constants;  // [4][channels]: scale and shift as Addend takes them, mean, 1 / standard deviation
};
struct ResultGradient {
    const float* gradient;  // behind the norm
    const double* sums;  // [2][channels] of this gradient, and of it times (value - mean)
    float *weight, *bias, *scale, *shift;  // gradients of the parameters; weight and bias may be null
};
struct SourceGradient {  // of the sum, or of the source where others are to be added to it first
    float* gradient;  // null: not needed
    const float* added[2];  // gradients from elsewhere that belong to the same source, or null
    int64_t last;  // whether these are all
    const float* means[2];  // of the addends' norms, or null
    double* sums[2];
};
struct Layer {
    int64_t images, channels, height, width, out_channels, out_height, out_width;
    int64_t kernel_height, kernel_width, stride, padding, depthwise, weight_last, maximum;
    const float* weight;
    Source source;
    Result result;
    ResultGradient result_gradient;
    SourceGradient source_gradient;
};
}

static int64_t groups_of(const Layer& l) { return (l.images + L - 1) / L; }
static int lanes_used(const Layer& l, int64_t group) { return int(std::min<int64_t>(L, l.images - group * L)); }
static int64_t source_row(const Layer& l) { return l.width * l.channels * L; }
static int64_t result_row(const Layer& l) { return l.out_width * l.out_channels * L; }
static int64_t source_size(const Layer& l) { return l.height * source_row(l); }  // of a group
static int64_t result_size(const Layer& l) { return l.out_height * result_row(l); }

template <class F> static auto with_flag(int64_t flag, F f) { return flag ? f(std::true_type{}) : f(std::false_type{}); }

// f(channel, offset of the first, number of pixels): four pixels of a channel at a time, so that what belongs to the
// channel is read once for them.
template <class F> static inline void each_cell(int64_t width, int64_t channels, F f) {
    int64_t x = 0;
    for (; x + 4 <= width; x += 4)
        for (int64_t c = 0; c < channels; ++c) f(c, (x * channels + c) * L, std::integral_constant<int, 4>{});
    for (; x < width; ++x)
        for (int64_t c = 0; c < channels; ++c) f(c, (x * channels + c) * L, std::integral_constant<int, 1>{});
}
// f(channel, offset in the tensor, offset in a copy whose pixels are `pixel` floats apart), in the order of memory.
template <class F> static inline void each_vector(int64_t width, int64_t channels, int64_t pixel, F f) {
    for (int64_t x = 0, i = 0; x < width; ++x)
        for (int64_t c = 0; c < channels; ++c, i += L) f(c, i, x * pixel + c * L);
}
// Floats from a pixel to the next: at a distance of many powers of two they would drive each other out of the cache.
static int64_t pixel_of(int64_t channels) { return (channels % 4 ? channels : channels + 1) * L; }
template <class T> static inline T* moved(T* memory, int64_t by) { return memory ? memory + by : nullptr; }
// Past the caches where the processor can, without reading a line before it is written: for tensors that are read much later.
static inline void store_far(float* to, Vector v) {
#if defined(__AVX512F__)
    _mm512_stream_ps(to, __m512(v));
#elif defined(__AVX2__)
    _mm256_stream_ps(to, __m256(v));
#else
    store(to, v);
#endif
}
static inline Vector spread(float value) { return Vector{} + value; }

// ------------------------------------------------------------------------------------------------- forward

constexpr int64_t AHEAD = 8192;  // floats from what is read to what is fetched: rows lie one after another in memory

class MakeRow {  // a row of a source
    const Source& s;
    int64_t width, channels;
    void (MakeRow::*make)(int64_t, int64_t, float*) const;
    template <bool FIRST, bool SECOND, bool SCALED, bool RELU> void run(int64_t at, int64_t pixel, float* to) const {
        const float *a = s.first.values + at, *b = moved(s.second.values, at);
        float* stored = moved(s.stored, at);
        each_vector(width, channels, pixel, [&](int64_t c, int64_t i, int64_t j) {
            __builtin_prefetch(a + i + AHEAD, 0, 2);
            Vector v = load(a + i);
            if (FIRST) v = v * s.first.scale[c] + s.first.shift[c];
            if (SECOND) v += SCALED ? load(b + i) * s.second.scale[c] + s.second.shift[c] : load(b + i);
            if (RELU) v = relu(v);
            store(to + j, v);
            if (stored) store(stored + i, v);
        });
    }
public:
    MakeRow(const Source& s, int64_t width, int64_t channels) : s(s), width(width), channels(channels) {
        with_flag(s.first.scale != nullptr, [&](auto first) {
            with_flag(s.second.values != nullptr, [&](auto second) {
                with_flag(s.second.scale != nullptr, [&](auto scaled) {
                    with_flag(s.relu, [&](auto relu) { make = &MakeRow::run<first, second, second && scaled, relu>; });
                });
            });
        });
    }
    void operator()(int64_t at, float* to, int64_t pixel) const { (this->*make)(at, pixel, to); }
    void operator()(int64_t at, float* to) const { (*this)(at, to, channels * L); }
};

// What backward reads: a source that was stored is not made again.
static Source stored_source(const Source& s) { return s.stored ? Source{{s.stored, nullptr, nullptr}, {}, 0, nullptr} : s; }

// Sums of one or several numbers per channel: in float over some rows, over these and the images in double.
class ChannelSums {
    int64_t numbers;
    float* rows;
    double *lanes, *total;
public:
    ChannelSums(Buffer& buffer, int64_t numbers) : numbers(numbers) {
        int64_t size = numbers * L;
        rows = buffer.zeros(size + 2 * size + 2 * numbers + 16);
        lanes = reinterpret_cast<double*>(rows + (size + 15) / 16 * 16);
        total = lanes + size;
    }
    float* at(int64_t number) const { return rows + number * L; }
    void end_rows() {
        for (int64_t i = 0; i < numbers * L; ++i) lanes[i] += double(rows[i]), rows[i] = 0;
    }
    void end_group(int used) {
        end_rows();
        for (int64_t i = 0; i < numbers; ++i)
            for (int lane = 0; lane < used; ++lane) total[i] += lanes[i * L + lane];
        std::fill_n(lanes, numbers * L, 0.0);
    }
    double sum(int64_t number) const { return total[number]; }
    void forget() { std::fill_n(total, numbers, 0.0); }
};
static thread_local Buffer result_sums_buffer, source_sums_buffer, shifts_buffer, slopes_buffer;

// What is done with the rows that a layer computed: bias, ReLU, and the statistics of batch norm.
//
// Variance is summed around the mean of the first row: few digits are lost where the mean is large, since the mean of the
// batch is at most a standard deviation times the root of the number of rows away from it, of all groups.
class ResultRows {
    const Layer& l;
    const Result& r;
    ChannelSums sums;  // per channel: of value - origin, of its square
    float* origin;
    bool training;
    template <bool CHANGE> void row(const float* from, float* to) {
        int64_t channels = l.out_channels;
        each_cell(l.out_width, channels, [&](int64_t c, int64_t i, auto pixels) {
            Vector bias = spread(r.bias ? r.bias[c] : 0), middle = spread(origin[c]), sum = {}, square = {};
            for (int j = 0; j < pixels; ++j, i += channels * L) {
                Vector v = load(from + i);
                if (CHANGE) {
                    if (r.bias) v += bias;
                    if (r.relu) v = relu(v);
                    store(to + i, v);
                }
                v -= middle, sum += v, square += v * v;
            }
            if (!training) return;
            float *first = sums.at(2 * c), *second = sums.at(2 * c + 1);
            store(first, load(first) + sum), store(second, load(second) + square);
        });
    }
public:
    explicit ResultRows(const Layer& l)
        : l(l), r(l.result), sums(result_sums_buffer, 2 * l.out_channels), origin(shifts_buffer.zeros(l.out_channels)),
          training(l.result.norm == 2) {}
    float* at(int64_t group, int64_t y) const { return r.values + group * result_size(l) + y * result_row(l); }
    // Row y of a group, which lies at `from`: in its place or elsewhere. The first is the first of all.
    void take(int64_t group, int64_t y, const float* from) {
        float* to = at(group, y);
        if (from != to || r.bias || r.relu) row<true>(from, to);
        else if (training) row<false>(to, to);
        if (!training || group || y) return;
        sums.end_group(lanes_used(l, 0));
        for (int64_t c = 0; c < l.out_channels; ++c) origin[c] = float(sums.sum(2 * c) / (double(lanes_used(l, 0)) * l.out_width));
        sums.forget();
        row<false>(to, to);
    }
    void end_rows() { if (training) sums.end_rows(); }
    void end_group(int64_t group) { if (training) sums.end_group(lanes_used(l, group)); }
    void finish() {  // the norm's constants; in training the running statistics move
        if (!r.norm) return;
        int64_t n = l.out_channels;
        double count = double(l.images) * l.out_height * l.out_width;
        for (int64_t c = 0; c < n; ++c) {
            double mean = r.running_mean[c], variance = r.running_variance[c];
            if (training) {
                double apart = sums.sum(2 * c) / count, squares = sums.sum(2 * c + 1) - apart * apart * count;
                mean = origin[c] + apart, variance = squares / count;
                r.running_mean[c] = float((1 - r.momentum) * r.running_mean[c] + r.momentum * mean);
                r.running_variance[c] = float((1 - r.momentum) * r.running_variance[c] + r.momentum * squares / (count - 1));
            }
            double inverse = 1 / std::sqrt(variance + r.epsilon);
            r.constants[c] = float(r.scale[c] * inverse);
            r.constants[n + c] = float(r.shift[c] - mean * (r.scale[c] * inverse));
            r.constants[2 * n + c] = float(mean);
            r.constants[3 * n + c] = float(inverse);
        }
    }
};

// ------------------------------------------------------------------------------------------------ backward

// Rows of the gradient of what a layer computed, before its bias; where an image's lane is free, 0.
class ResultGradientRows {
    const Layer& l;
    float *factor, *offset, *slope;  // factor * gradient - offset - (value - mean) * slope
    ChannelSums sums;  // of the bias
    Integers lane;
    template <bool NORM, bool RELU, bool BIAS> void run(int64_t at, Integers used, int64_t pixel, float* to) {
        int64_t channels = l.out_channels;
        const float *gradient = l.result_gradient.gradient + at, *values = l.result.values + at;
        const float* mean = l.result.constants ? l.result.constants + 2 * channels : nullptr;
        each_vector(l.out_width, channels, pixel, [&](int64_t c, int64_t i, int64_t j) {
            Vector v = load(gradient + i), value = {};
            if (NORM || RELU) value = load(values + i);
            if (NORM) v = v * factor[c] - offset[c] - (value - mean[c]) * slope[c];
            if (RELU) v = value <= 0 ? Vector{} : v;
            v = used ? v : Vector{};
            store(to + j, v);
            if (BIAS) store(sums.at(c), load(sums.at(c)) + v);
        });
    }
    void (ResultGradientRows::*make)(int64_t, Integers, int64_t, float*);
public:
    explicit ResultGradientRows(const Layer& l)
        : l(l), sums(result_sums_buffer, l.out_channels) {
        int64_t n = l.out_channels;
        const Result& r = l.result;
        const ResultGradient& g = l.result_gradient;
        factor = slopes_buffer.zeros(3 * n), offset = factor + n, slope = offset + n;
        double count = double(l.images) * l.out_height * l.out_width;
        for (int64_t c = 0; r.norm && c < n; ++c) {
            double of_gradient = g.sums[c], of_product = g.sums[n + c], inverse = r.constants[3 * n + c];
            g.shift[c] = float(of_gradient), g.scale[c] = float(of_product * inverse);
            factor[c] = r.constants[c];
            if (r.norm == 1) continue;
            offset[c] = float(r.scale[c] * inverse * of_gradient / count);
            slope[c] = float(r.scale[c] * inverse * inverse * inverse * of_product / count);
        }
        for (int i = 0; i < L; ++i) lane[i] = i;
        with_flag(r.norm, [&](auto norm) {
            with_flag(r.relu, [&](auto relu) {
                with_flag(g.bias != nullptr, [&](auto bias) { make = &ResultGradientRows::run<norm, relu, bias>; });
            });
        });
    }
    void operator()(int64_t group, int64_t y, float* to, int64_t pixel) {
        Integers used = lane < Integers{} + lanes_used(l, group);
        (this->*make)(group * result_size(l) + y * result_row(l), used, pixel, to);
    }
    void end_rows() { if (l.result_gradient.bias) sums.end_rows(); }
    void end_group(int64_t group) { if (l.result_gradient.bias) sums.end_group(lanes_used(l, group)); }
    void finish() {
        for (int64_t c = 0; l.result_gradient.bias && c < l.out_channels; ++c) l.result_gradient.bias[c] = float(sums.sum(c));
    }
};

// What is done with rows of the gradient of a layer's input.
class SourceGradientRows {
    const Layer& l;
    const SourceGradient& g;
    ChannelSums sums;  // per channel: of the gradient, and of it times (value - mean) for each addend
    // MASK: 0 none, 1 by the stored source, 2 by its only addend.
    template <int MASK, int ADDED, int NORMS> void run(int64_t at, const float* from) {
        int64_t channels = l.channels;
        const Source& s = l.source;
        const float *first = s.first.values + at, *second = moved(s.second.values, at), *stored = moved(s.stored, at);
        const float *one = moved(g.added[0], at), *two = moved(g.added[1], at);
        float* to = g.gradient + at;
        each_cell(l.width, channels, [&](int64_t c, int64_t i, auto pixels) {
            Vector scale, shift, mean, other_mean, sum = {}, product = {}, other = {};
            if (MASK == 2 && s.first.scale) scale = spread(s.first.scale[c]), shift = spread(s.first.shift[c]);
            else scale = spread(1), shift = Vector{};
            if (NORMS & 1) mean = spread(g.means[0][c]);
            if (NORMS & 2) other_mean = spread(g.means[1][c]);
            for (int j = 0; j < pixels; ++j, i += channels * L) {
                Vector v = load(from + i), value = {};
                if (ADDED > 0) v += load(one + i);
                if (ADDED > 1) v += load(two + i);
                if (NORMS & 1 || MASK == 2) value = load(first + i);
                if (MASK == 1) v = load(stored + i) <= 0 ? Vector{} : v;
                if (MASK == 2) v = value * scale + shift <= 0 ? Vector{} : v;
                store_far(to + i, v);
                if (NORMS) sum += v;
                if (NORMS & 1) product += v * (value - mean);
                if (NORMS & 2) other += v * (load(second + i) - other_mean);
            }
            if (NORMS) store(sums.at(3 * c), load(sums.at(3 * c)) + sum);
            if (NORMS & 1) store(sums.at(3 * c + 1), load(sums.at(3 * c + 1)) + product);
            if (NORMS & 2) store(sums.at(3 * c + 2), load(sums.at(3 * c + 2)) + other);
        });
    }
    void (SourceGradientRows::*take_row)(int64_t, const float*);
    template <int MASK, int ADDED> void choose(int norms) {
        take_row = norms == 0   ? &SourceGradientRows::run<MASK, ADDED, 0>
                   : norms == 1 ? &SourceGradientRows::run<MASK, ADDED, 1>
                   : norms == 2 ? &SourceGradientRows::run<MASK, ADDED, 2>
                                : &SourceGradientRows::run<MASK, ADDED, 3>;
    }
    template <int MASK> void choose(int added, int norms) {
        added == 0 ? choose<MASK, 0>(norms) : added == 1 ? choose<MASK, 1>(norms) : choose<MASK, 2>(norms);
    }
public:
    explicit SourceGradientRows(const Layer& l) : l(l), g(l.source_gradient), sums(source_sums_buffer, 3 * l.channels) {
        int added = (g.added[0] != nullptr) + (g.added[1] != nullptr);
        int norms = g.last ? (g.sums[0] != nullptr) + 2 * (g.sums[1] != nullptr) : 0;
        int mask = !g.last || !l.source.relu ? 0 : l.source.stored ? 1 : 2;
        mask == 0 ? choose<0>(added, norms) : mask == 1 ? choose<1>(added, norms) : choose<2>(added, norms);
    }
    bool needed() const { return g.gradient != nullptr; }
    void take(int64_t group, int64_t y, const float* from) { (this->*take_row)(group * source_size(l) + y * source_row(l), from); }
    void end_rows() { sums.end_rows(); }
    void end_group(int64_t group) { sums.end_group(lanes_used(l, group)); }
    void finish() {
        for (int side = 0; side < 2; ++side)
            for (int64_t c = 0; g.last && g.sums[side] && c < l.channels; ++c) {
                g.sums[side][c] = sums.sum(3 * c);
                g.sums[side][l.channels + c] = sums.sum(3 * c + 1 + side);
            }
    }
};
