// Parts of a net that stay in lanes: convolutions of any size, batch norm, ReLU, sums and pooling, forward and backward,
// on one thread of a CPU. What a tensor is, and how layers hand each other rows, stands in rows.hpp.
//
// In a last group with free lanes, forward computes anything there and backward zeros; no sum takes them.
// Each sum has one order: same input, same bytes. NaN passes through. The only state is scratch memory, a thread's own.

#include "pooling.hpp"

static bool is_winograd(const Layer& l) { return l.kernel_height == 3 && l.kernel_width == 3 && l.stride == 1 && l.padding <= 2 && !l.depthwise; }

extern "C" {
int bakeoff_lanes() { return L; }
int bakeoff_conv_forward(const Layer* l) { return guarded([=] { is_winograd(*l) ? winograd_forward(*l) : direct_forward(*l); }); }
int bakeoff_conv_backward(const Layer* l) { return guarded([=] { is_winograd(*l) ? winograd_backward(*l) : direct_backward(*l); }); }
int bakeoff_pool_forward(const Layer* l) { return guarded([=] { pool_forward(*l); }); }
int bakeoff_pool_backward(const Layer* l) { return guarded([=] { pool_backward(*l); }); }
int bakeoff_copy_forward(const Layer* l) { return guarded([=] { copy_forward(*l); }); }
int bakeoff_copy_backward(const Layer* l) { return guarded([=] { copy_backward(*l); }); }
int bakeoff_enter_forward(const Layer* l, const float* tensor, int channels_last) {
    return guarded([=] { enter_forward(*l, tensor, channels_last); });
}
int bakeoff_enter_backward(const Layer* l, float* tensor, int channels_last) {
    return guarded([=] { enter_backward(*l, tensor, channels_last); });
}
int bakeoff_leave_forward(const Layer* l, float* tensor, int channels_last) {
    return guarded([=] { leave_forward(*l, tensor, channels_last); });
}
int bakeoff_leave_backward(const Layer* l, const float* tensor, int channels_last) {
    return guarded([=] { leave_backward(*l, tensor, channels_last); });
}
}
