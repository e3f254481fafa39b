// Runs the TNN files of this bundle on the golden picture and compares with the golden labels.
// Needs TNN: c++ -std=c++17 -O2 -I TNN/include cpp/tnn_example.cpp -L TNN/build -lTNN
// Usage: tnn_example MODEL.tnnproto MODEL.tnnmodel GOLDEN_FOLDER [arm|x86|naive]
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "tnn/core/mat.h"
#include "tnn/core/tnn.h"
#include "tnn/utils/blob_converter.h"
#include "topformer.hpp"

namespace {

constexpr topformer::Size kPicture{@PICTURE_HEIGHT@, @PICTURE_WIDTH@};

using Output = std::conditional_t<topformer::model::kEndsInLabels, std::int32_t, float>;

std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

TNN_NS::DeviceType device_of(const std::string& name) {
    if (name == "x86") return TNN_NS::DEVICE_X86;
    return name == "naive" ? TNN_NS::DEVICE_NAIVE : TNN_NS::DEVICE_ARM;
}

bool good(const char* what, TNN_NS::Status status) {
    if (status == TNN_NS::TNN_OK) return true;
    std::fprintf(stderr, "%s: %s\n", what, status.description().c_str());
    return false;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::fprintf(stderr, "usage: %s TNNPROTO TNNMODEL GOLDEN_FOLDER [arm|x86|naive]\n", argv[0]);
        return 2;
    }
    TNN_NS::ModelConfig model;
    model.model_type = TNN_NS::MODEL_TYPE_TNN;
    model.params = {read(argv[1]), read(argv[2])};
    TNN_NS::TNN net;
    if (!good("load", net.Init(model))) return 1;

    TNN_NS::NetworkConfig network;
    network.device_type = device_of(argc > 4 ? argv[4] : "arm");
    network.precision = TNN_NS::PRECISION_HIGH;  // fp32; AUTO lets phones compute in fp16
    TNN_NS::Status status;
    auto instance = net.CreateInst(network, status);
    if (!good("create", status)) return 1;

    // Mats of these devices lie in the memory of the host.
    const auto host = network.device_type;
    const std::string folder = std::string(argv[3]) + "/";
    const std::string picture = read(folder + "picture.bin");
    auto tensor = topformer::preprocess<float>(
        reinterpret_cast<const std::uint8_t*>(picture.data()), kPicture);
    const TNN_NS::DimsVector dims{1, 3, topformer::kInputSize.height, topformer::kInputSize.width};
    auto input = std::make_shared<TNN_NS::Mat>(host, TNN_NS::NCHW_FLOAT, dims, tensor.data());
    if (!good("input", instance->SetInputMat(input, TNN_NS::MatConvertParam()))) return 1;
    if (!good("forward", instance->Forward())) return 1;

    std::shared_ptr<TNN_NS::Mat> output;
    const auto type = topformer::model::kEndsInLabels ? TNN_NS::NC_INT32 : TNN_NS::NCHW_FLOAT;
    status = instance->GetOutputMat(output, TNN_NS::MatConvertParam(), "", host, type);
    if (!good("output", status)) return 1;

    const auto labels =
        topformer::labels_of_output(static_cast<const Output*>(output->GetData()), kPicture);
    const std::string golden = read(folder + "picture_labels.bin");
    std::size_t equal = 0;
    for (std::size_t i = 0; i < labels.values.size() && i < golden.size(); ++i) {
        equal += labels.values[i] == static_cast<std::uint8_t>(golden[i]);
    }
    std::printf("%zu of %zu labels equal\n", equal, labels.values.size());
    return equal * 1000 >= labels.values.size() * 999 ? 0 : 1;
}
