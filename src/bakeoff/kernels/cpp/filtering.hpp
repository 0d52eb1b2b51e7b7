// Two neighbouring numbers of a convolution's row with fewer products, by Winograd's minimal filtering (S. Winograd,
// Arithmetic Complexity of Computations, 1980; A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016).
// From inputs d and taps g,
//
//     left  = (S + D) + L     S = (d1 + d2) (g0 + g1 + g2) / 2 + (d4 + d4) (g3 + g4) / 2     L = (d0 - d2) g0 + (d3 - d4) g3
//     right = (S - D) + R     D = (d2 - d1) (g0 - g1 + g2) / 2                               R = (d3 - d1) g2 + (d5 - d4) g4
//
// Without g3 and g4 this is F(2, 3), 4 products instead of 6; with them F(2, 2) is added, 7 instead of 10. S, D, L and R are
// sums over the kernel's rows and the input channels. The factors are sums of at most three numbers, so rounding stays what it
// is without; and shorter sums make up for it.

#pragma once

#include "lanes.hpp"

enum Part { S, D, L, R };
constexpr Part PARTS_OF_PAIR[] = {S, D, L, R};

struct Term {  // the input's side of a product: in[a] + in[b] in S, in[a] - in[b] in the other parts
    int64_t a, b;
};
constexpr Term COLUMNS[4][2] = {{{1, 2}, {4, 4}}, {{2, 1}}, {{0, 2}, {3, 4}}, {{3, 1}, {5, 4}}};

// The terms of all parts, for images in lane layout that are `padded_width` wide.
struct Terms {
    int64_t kernel, inputs, padded_width;
    const Term* list;  // [part][ky][in][product of the part], as places from the pair's first column on

    Terms(int64_t kernel, int64_t inputs, int64_t padded_width, Buffer& buffer)
        : kernel(kernel), inputs(inputs), padded_width(padded_width) {
        Term* term = reinterpret_cast<Term*>(buffer.get(size() * int64_t(sizeof(Term) / sizeof(float))));
        list = term;
        int64_t column = inputs * LANES;
        for (Part part : PARTS_OF_PAIR)
            for (int64_t ky = 0; ky < kernel; ++ky)
                for (int64_t in = 0; in < inputs; ++in)
                    for (int64_t product = 0; product < products(part); ++product) {
                        int64_t at = ky * padded_width * column + in * LANES;
                        Term columns = COLUMNS[part][product];
                        *term++ = {at + columns.a * column, at + columns.b * column};
                    }
    }
    int64_t products(Part part) const { return kernel == 5 && part != D ? 2 : 1; }  // for a row and an input channel
    int64_t size(Part part) const { return kernel * inputs * products(part); }
    int64_t begin(Part part) const {  // of its terms in the list
        int64_t before = 0;
        for (Part other : PARTS_OF_PAIR)
            if (other < part) before += size(other);
        return before;
    }
    int64_t size() const { return begin(R) + size(R); }
};

// The taps' side of a product; g(kx) gives a tap.
template <class F> static float factor(Part part, int64_t product, F g) {
    if (part == L) return product ? g(3) : g(0);
    if (part == R) return product ? g(4) : g(2);
    if (product) return float((double(g(3)) + g(4)) / 2);
    return float((double(g(0)) + (part == S ? g(1) : -g(1)) + g(2)) / 2);
}

// Calls f(i, j) for each sum of a tile. Loops that are unrolled later would have the sums in memory too.
template <int COUNT, int SIZE, class F> static inline void for_sums(F f) {
#pragma GCC unroll 8
    for (int i = 0; i < COUNT; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < SIZE; ++j) f(i, j);
}
