// What the weight gradients of both backward passes share: images as rows, and the way from sums to the weights.

#pragma once

#include "lanes.hpp"

// One image as [padded_height][padded_width][channels], or back; the border is left as it is.
template <bool TO_ROWS> static void copy_image(const Sizes& s, float* image, float* rows) {
    int64_t stride = s.padded_width * s.channels, length = s.width * s.channels;
    rows += s.padding * (stride + s.channels);
    for (int64_t y = 0; y < s.height; ++y, rows += stride)
        if (s.input_last) {
            std::memcpy(TO_ROWS ? rows : image + y * length, TO_ROWS ? image + y * length : rows, size_t(length) * 4);
        } else {
            for (int64_t c = 0; c < s.channels; ++c)
                for (int64_t x = 0; x < s.width; ++x) {
                    float &outside = image[(c * s.height + y) * s.width + x], &inside = rows[x * s.channels + c];
                    if (TO_ROWS) inside = outside;
                    else outside = inside;
                }
        }
}

// The image in rows as above: itself where it lies so and may be read a little past its end, else a copy.
static const float* image_rows(const Sizes& s, const float* input, int64_t image, float* copy) {
    float* from = const_cast<float*>(input) + image * s.channels * s.height * s.width;
    if (s.input_last && s.padding == 0 && image + 1 < s.images) return from;
    copy_image<true>(s, from, copy);
    return copy;
}

// From sums [out][chunk of 16 columns][ky][16].
static void unpack_weight_gradient(const Sizes& s, int64_t chunks, const float* sums, float* weight_gradient) {
    for (int64_t co = 0; co < s.out_channels; ++co)
        for (int64_t ci = 0; ci < s.channels; ++ci)
            for (int64_t ky = 0; ky < s.kernel; ++ky)
                for (int64_t kx = 0; kx < s.kernel; ++kx) {
                    int64_t column = kx * s.channels + ci;
                    weight_gradient[s.weight_index(co, ci, ky, kx)]
                        = sums[((co * chunks + column / LANES) * s.kernel + ky) * LANES + column % LANES];
                }
}
