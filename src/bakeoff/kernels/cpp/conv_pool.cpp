// Convolution -> ReLU -> (batch norm) -> 2 x 2 max pooling, forward and backward, on one thread of a CPU.
//
// For small nets: general kernels put channels into the lanes of a vector and waste most of them on 3, 6 or 16
// channels. Here 16 images lie side by side ("lane layout": [row][column][channel][16]), so any number of channels
// fills the lanes. The same source is built once for each instruction set; a vector has 16, 8 or 4 floats.
//
// Tensors are dense float32, [N][C][H][W] or channels last ([N][H][W][C]). In a last group of fewer than 16 images
// the free lanes repeat its last image: nothing is read past the end, and nothing of them is kept.
// Each sum has one order: same input, same bytes. NaN passes through. The only state is scratch memory, a thread's own.

#include "batch_norm.hpp"
#include "linear.hpp"
#include "plain.hpp"
#include "random.hpp"

// Pixels as bytes to standardised floats, in one pass: PyTorch takes three over memory that no cache near the core holds.
// `rows` runs of `length` bytes -> floats: (pixel - shift) * scale, with the constants of each place in a run. Two
// roundings and no fused operation, as PyTorch's subtraction and multiplication: the same bits.
static void standardise(int64_t rows, int64_t length, const uint8_t* __restrict__ pixels,
                        const float* __restrict__ shift, const float* __restrict__ scale, float* __restrict__ out) {
    for (int64_t row = 0; row < rows; ++row, pixels += length, out += length)
        for (int64_t i = 0; i < length; ++i) out[i] = (float(pixels[i]) - shift[i]) * scale[i];
}

extern "C" {
const char* bakeoff_source_digest() { return SOURCE_DIGEST; }

int bakeoff_standardise(int64_t rows, int64_t length, const uint8_t* pixels, const float* shift, const float* scale,
                        float* out) {
    standardise(rows, length, pixels, shift, scale, out);
    return 0;
}

int bakeoff_draw(int64_t count, Twister* state, double probability, double value, float* out) {
    draw(*state, count, probability, float(value), out);
    return 0;
}

int bakeoff_forward(const Shape* shape, const float* input, const float* weight, const float* bias, float* output,
                    Code* winners) {
    return guarded([=] { forward(Sizes(*shape), input, weight, bias, output, winners); });
}

int bakeoff_backward(const Shape* shape, const float* input, const float* weight, const float* gradient,
                     const Code* winners, float* input_gradient, float* weight_gradient, float* bias_gradient) {
    return guarded([=] {
        backward(Sizes(*shape), input, weight, gradient, winners, input_gradient, weight_gradient, bias_gradient);
    });
}

int bakeoff_forward_norm(const Shape* shape, const float* input, const float* weight, const float* bias, const float* scale,
                         const float* shift, float* running_mean, float* running_variance, double momentum, double epsilon,
                         int training, float* statistics, float* output, float* activations, Code* winners) {
    return guarded([=] {
        forward_norm(Sizes(*shape), input, weight, bias, scale, shift, running_mean, running_variance, momentum, epsilon,
                     training, statistics, output, activations, winners);
    });
}

int bakeoff_backward_norm(const Shape* shape, const float* input, const float* weight, const float* scale, int training,
                          const float* statistics, const float* activations, const Code* winners, const float* gradient,
                          float* input_gradient, float* weight_gradient, float* bias_gradient, float* scale_gradient,
                          float* shift_gradient) {
    return guarded([=] {
        backward_norm(Sizes(*shape), input, weight, scale, training, statistics, activations, winners, gradient, input_gradient,
                      weight_gradient, bias_gradient, scale_gradient, shift_gradient);
    });
}

int bakeoff_linear_forward(int64_t rows, int64_t inputs, int64_t outputs, int with_relu, const float* input,
                           const float* weight, const float* bias, float* output) {
    return guarded([=] { linear_forward(rows, inputs, outputs, with_relu, input, weight, bias, output); });
}

int bakeoff_linear_backward(int64_t rows, int64_t inputs, int64_t outputs, const float* input, const float* weight,
                            const float* output, const float* gradient, float* input_gradient, float* weight_gradient,
                            float* bias_gradient) {
    return guarded([=] {
        linear_backward(rows, inputs, outputs, input, weight, output, gradient, input_gradient, weight_gradient, bias_gradient);
    });
}

int bakeoff_rows_norm_forward(int64_t rows, int64_t columns, const float* input, const float* scale, const float* shift,
                              float* running_mean, float* running_variance, double momentum, double epsilon, int training,
                              float* statistics, float* output) {
    return guarded([=] {
        rows_norm_forward(rows, columns, input, scale, shift, running_mean, running_variance, momentum, epsilon, training,
                          statistics, output);
    });
}

int bakeoff_rows_norm_backward(int64_t rows, int64_t columns, const float* input, const float* scale, int training,
                               const float* statistics, const float* gradient, float* input_gradient, float* scale_gradient,
                               float* shift_gradient) {
    return guarded([=] {
        rows_norm_backward(rows, columns, input, scale, training, statistics, gradient, input_gradient, scale_gradient,
                           shift_gradient);
    });
}
}
