// What both batch norms, of images and of rows, give their inputs: factor * (gradient - offset - (input - mean) * slope).

#pragma once

#include "lanes.hpp"

struct NormGradient {
    float *factor, *offset, *slope;  // of each channel
    // From sums over the `count` values of a channel: of the gradient, and of gradient * (input - mean).
    NormGradient(int64_t channels, double count, const float* scale, const float* inverse, bool training,
                 const double* of_gradient, const double* of_product, float* scale_gradient, float* shift_gradient) {
        factor = factors_buffer.get(3 * channels), offset = factor + channels, slope = offset + channels;
        for (int64_t c = 0; c < channels; ++c) {
            shift_gradient[c] = float(of_gradient[c]);
            scale_gradient[c] = float(of_product[c] * inverse[c]);
            factor[c] = scale[c] * inverse[c];
            offset[c] = training ? float(of_gradient[c] / count) : 0;
            slope[c] = training ? float(of_product[c] / count * inverse[c] * inverse[c]) : 0;
        }
    }
};
