// The two products that convolutions consist of, in lane layout: with weights, and of two tensors over pixels and images.

#pragma once

#include "rows.hpp"

#if defined(__AVX2__) && !defined(__AVX512F__)
constexpr int PIXELS = 2, MAX_ROWS = 4, MAX_COLUMNS = 3;  // 16 registers
#else
constexpr int PIXELS = 4, MAX_ROWS = 6, MAX_COLUMNS = 5;  // 32
#endif

// Blocks of at most `most` channels, as equal as they can be: 16 channels are 6, 5 and 5.
struct Split {
    int64_t number, size, larger;
    Split(int64_t channels, int64_t most)
        : number((channels + most - 1) / most), size(channels / number), larger(channels % number) {}
    int of(int64_t block) const { return int(size + (block < larger)); }
};
// f with a constant that equals `value`, from 1 to MOST.
template <int MOST, class F> static inline void with_number(int value, F f) {
    if constexpr (MOST > 1)
        if (value < MOST) return with_number<MOST - 1>(value, f);
    f(std::integral_constant<int, MOST>{});
}

// Loops over the sums of a tile are unrolled early, and tiles are functions of their own: else GCC 12 has the sums in memory.
#define UNROLLED _Pragma("GCC unroll 16") for

template <int T, int O>
[[gnu::noinline]] static void multiply_tile(int64_t taps, const float* const* x, int64_t at, const float* const* weights,
                                            int64_t offset, int64_t channels, int64_t weights_row, int64_t step, float* to,
                                            int64_t to_step) {
    Vector sums[T][O];
    UNROLLED(int t = 0; t < T; ++t)
        UNROLLED(int o = 0; o < O; ++o) sums[t][o] = Vector{};
    for (int64_t k = 0; k < taps; ++k) {
        const float *from = x[k] + at, *w = weights[k] + offset;
        for (int64_t c = 0; c < channels; ++c, w += weights_row, from += L) {
            Vector v[T];
            UNROLLED(int t = 0; t < T; ++t) {
                v[t] = load(from + t * step);
                keep_in_register(v[t]);
            }
            UNROLLED(int o = 0; o < O; ++o) {
                float weight = w[o];
                UNROLLED(int t = 0; t < T; ++t) sums[t][o] += v[t] * weight;
            }
        }
    }
    UNROLLED(int t = 0; t < T; ++t)
        UNROLLED(int o = 0; o < O; ++o) store(to + t * to_step + o * L, sums[t][o]);
}

constexpr int64_t MOST_TAPS = 49;

// to[pixel][out] = sum over taps and channels of x[tap][pixel][channel] * weights[tap][channel][out]. Pixels are `step`
// floats apart, those of the result `to_step`; weights lie in rows of `outs`.
static void multiply(int64_t taps, const float* const* x, const float* const* weights, int64_t pixels, int64_t channels,
                     int64_t outs, int64_t step, float* to, int64_t to_step) {
    Split split(outs, MAX_BLOCK);
    int64_t pixel = 0;
    auto run = [&](auto t) {
        constexpr int T = decltype(t)::value;
        for (; pixel + T <= pixels; pixel += T) {
            float* out = to + pixel * to_step;
            int64_t o = 0;
            for (int64_t block = 0; block < split.number; ++block) {
                int size = split.of(block);
                with_number<MAX_BLOCK>(size, [&](auto number) {
                    multiply_tile<T, decltype(number)::value>(taps, x, pixel * step, weights, o, channels, outs, step, out + o * L, to_step);
                });
                o += size;
            }
        }
    };
    run(std::integral_constant<int, PIXELS>{});
    if (PIXELS > 2) run(std::integral_constant<int, 2>{});
    run(std::integral_constant<int, 1>{});
}

template <int O, int I>
[[gnu::noinline]] static void outer_tile(int64_t pixels, const float* gradient, int64_t gradient_step, const float* x,
                                         int64_t step, float* to) {
    Vector sums[O][I];
    UNROLLED(int o = 0; o < O; ++o)
        UNROLLED(int i = 0; i < I; ++i) sums[o][i] = Vector{};
    for (int64_t t = 0; t < pixels; ++t, gradient += gradient_step, x += step) {
        Vector v[I];
        UNROLLED(int i = 0; i < I; ++i) {
            v[i] = load(x + i * L);
            keep_in_register(v[i]);
        }
        UNROLLED(int o = 0; o < O; ++o) {
            Vector g = load(gradient + o * L);
            keep_in_register(g);
            UNROLLED(int i = 0; i < I; ++i) sums[o][i] += v[i] * g;
        }
    }
    UNROLLED(int o = 0; o < O; ++o)
        UNROLLED(int i = 0; i < I; ++i) store(to + (o * I + i) * L, sums[o][i]);
}

// A vector with the sum of each of L vectors.
static inline Vector sums_of_vectors(const float* from) {
    Vector v[L];
    UNROLLED(int i = 0; i < L; ++i) v[i] = load(from + i * L);
#if defined(__AVX512F__)
    UNROLLED(int i = 0; i < 8; ++i) v[i] = __builtin_shufflevector(v[i], v[i + 8], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
                                       + __builtin_shufflevector(v[i], v[i + 8], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    UNROLLED(int i = 0; i < 4; ++i) v[i] = __builtin_shufflevector(v[i], v[i + 4], 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
                                       + __builtin_shufflevector(v[i], v[i + 4], 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
    UNROLLED(int i = 0; i < 2; ++i) v[i] = __builtin_shufflevector(v[i], v[i + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
                                       + __builtin_shufflevector(v[i], v[i + 2], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    return __builtin_shufflevector(v[0], v[1], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
           + __builtin_shufflevector(v[0], v[1], 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
#elif defined(__AVX2__)
    UNROLLED(int i = 0; i < 4; ++i) v[i] = __builtin_shufflevector(v[i], v[i + 4], 0, 1, 2, 3, 8, 9, 10, 11)
                                       + __builtin_shufflevector(v[i], v[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    UNROLLED(int i = 0; i < 2; ++i) v[i] = __builtin_shufflevector(v[i], v[i + 2], 0, 1, 8, 9, 4, 5, 12, 13)
                                       + __builtin_shufflevector(v[i], v[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    return __builtin_shufflevector(v[0], v[1], 0, 8, 2, 10, 4, 12, 6, 14) + __builtin_shufflevector(v[0], v[1], 1, 9, 3, 11, 5, 13, 7, 15);
#else
    UNROLLED(int i = 0; i < 2; ++i) v[i] = __builtin_shufflevector(v[i], v[i + 2], 0, 1, 4, 5) + __builtin_shufflevector(v[i], v[i + 2], 2, 3, 6, 7);
    return __builtin_shufflevector(v[0], v[1], 0, 4, 2, 6) + __builtin_shufflevector(v[0], v[1], 1, 5, 3, 7);
#endif
}

// sums[out][in], in an order of its own (see `each`), += sum over pixels and images of gradient[out] * x[in].
class Outer {
    int64_t outs, ins;
    Split rows, columns;
    static constexpr int SCRATCH = L + MAX_ROWS * MAX_COLUMNS;
    alignas(64) float scratch[SCRATCH * L];
    static bool is_square(int64_t outs, int64_t ins) {  // 5 x 5 sums at once rather than 6 x 4
        auto blocks = [&](int64_t o, int64_t i) { return ((outs + o - 1) / o) * ((ins + i - 1) / i); };
        return MAX_ROWS == 6 && blocks(5, 5) < blocks(6, 4);
    }
public:
    Outer(int64_t outs, int64_t ins)
        : outs(outs), ins(ins), rows(outs, is_square(outs, ins) ? 5 : MAX_ROWS),
          columns(ins, is_square(outs, ins) ? 5 : MAX_ROWS == 6 ? 4 : MAX_COLUMNS) {}
    int64_t size() const { return (outs * ins + L - 1) / L * L; }
    template <class F> void each(F f) const {  // f(place, out, in)
        int64_t place = 0, o = 0;
        for (int64_t row = 0; row < rows.number; o += rows.of(row++)) {
            int64_t i = 0;
            for (int64_t column = 0; column < columns.number; i += columns.of(column++))
                for (int oo = 0; oo < rows.of(row); ++oo)
                    for (int ii = 0; ii < columns.of(column); ++ii) f(place++, o + oo, i + ii);
        }
    }
    void add(int64_t pixels, const float* gradient, int64_t gradient_step, const float* x, int64_t step, float* sums) {
        int pending = 0;
        for (int64_t row = 0; row < rows.number; gradient += rows.of(row++) * L) {
            const float* from = x;
            for (int64_t column = 0; column < columns.number; from += columns.of(column++) * L) {
                with_number<MAX_ROWS>(rows.of(row), [&](auto o) {
                    with_number<MAX_COLUMNS>(columns.of(column), [&](auto i) {
                        constexpr int O = decltype(o)::value, I = decltype(i)::value;
                        if constexpr (O < 6 || I < 5) outer_tile<O, I>(pixels, gradient, gradient_step, from, step, scratch + pending * L);
                    });
                });
                pending += rows.of(row) * columns.of(column);
                int done = 0;
                for (; pending - done >= L; done += L, sums += L) store(sums, load(sums) + sums_of_vectors(scratch + done * L));
                if (done) std::memmove(scratch, scratch + done * L, size_t(pending - done) * L * 4);
                pending -= done;
            }
        }
        if (!pending) return;
        std::fill(scratch + pending * L, scratch + L * L, 0.0f);
        store(sums, load(sums) + sums_of_vectors(scratch));
    }
};
