// topformer-runner: runs one TNN model again and again and tells how long each inference took.
//
// Linux and Android, C++11, TNN's public headers only. `topformer runner build` compiles this
// file; by hand, in one line:
//   aarch64-linux-gnu-g++ -std=c++11 -O2 -static -I TNN/include topformer_runner.cpp
//       -Wl,--whole-archive libTNN.a -Wl,--no-whole-archive -o topformer-runner
//
// stdout carries one JSON object a line, see emit(); durations are CLOCK_MONOTONIC, moments
// CLOCK_BOOTTIME, both in ns. Nothing is printed, read or allocated inside a timed span. Every
// failure is an "error" line and exit code 3.

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tnn/core/blob.h"
#include "tnn/core/common.h"
#include "tnn/core/instance.h"
#include "tnn/core/macro.h"
#include "tnn/core/mat.h"
#include "tnn/core/status.h"
#include "tnn/core/tnn.h"
#include "tnn/utils/blob_converter.h"

#define RUNNER_VERSION "1"
#ifndef TOPFORMER_TNN_ORIGIN  // version or commit of the TNN that this is linked with
#define TOPFORMER_TNN_ORIGIN "unknown"
#endif
#ifndef TOPFORMER_TNN_OPENMP  // whether that TNN can use more than one thread
#define TOPFORMER_TNN_OPENMP 1
#endif
#ifndef TOPFORMER_TNN_FP16  // whether it has fp16 kernels: true, false, or null for unknown
#define TOPFORMER_TNN_FP16 null
#endif
#define TEXT_OF_(x) #x
#define TEXT_OF(x) TEXT_OF_(x)

namespace {

using TNN_NS::Status;

// Found in the binary by `topformer runner check`; printed by --version.
const char kWhat[] = "@(#)topformer-runner " RUNNER_VERSION " TNN " TOPFORMER_TNN_ORIGIN;

const int kFailed = 3;
const int64_t kFlushEveryNs = 1000000000;

// ---- what is printed --------------------------------------------------------------------------

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (unsigned char c : text) {
        char escaped[8];
        if (c == '"' || c == '\\') {
            out += '\\';
            out += static_cast<char>(c);
        } else if (c == '\n') {
            out += "\\n";
        } else if (c < 0x20 || c >= 0x7f) {
            snprintf(escaped, sizeof(escaped), "\\u%04x", c);
            out += escaped;
        } else {
            out += static_cast<char>(c);
        }
    }
    return out + "\"";
}

std::string number(double value) {
    char text[64];
    snprintf(text, sizeof(text), "%.6f", value);
    return text;
}

std::string list(const TNN_NS::DimsVector& values) {
    std::string out;
    for (int value : values) out += (out.empty() ? "[" : ",") + std::to_string(value);
    return out.empty() ? "[]" : out + "]";
}

void emit(const std::string& event, const std::string& fields) {
    printf("{\"event\":\"%s\"%s%s}\n", event.c_str(), fields.empty() ? "" : ",", fields.c_str());
}

[[noreturn]] void fail(const std::string& what) {
    emit("error", "\"what\":" + quoted(what));
    fflush(stdout);
    _exit(kFailed);
}

void require(const std::string& step, Status status) {
    if (status != TNN_NS::TNN_OK) fail(step + ": TNN " + status.description());
}

// ---- the machine ------------------------------------------------------------------------------

int64_t nanoseconds(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) fail(std::string("clock_gettime: ") + strerror(errno));
    return static_cast<int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

int64_t monotonic() { return nanoseconds(CLOCK_MONOTONIC); }

bool read_file(const std::string& path, std::string* content) {
    FILE* file = fopen(path.c_str(), "rb");
    if (file == nullptr) return false;
    char part[1 << 16];
    size_t size;
    content->clear();
    while ((size = fread(part, 1, sizeof(part), file)) > 0) content->append(part, size);
    const bool whole = ferror(file) == 0;
    const int reason = errno;
    fclose(file);
    errno = reason;
    return whole;
}

std::string must_read(const std::string& path, const std::string& what) {
    std::string content;
    if (!read_file(path, &content)) fail(what + " " + path + ": " + strerror(errno));
    if (content.empty()) fail(what + " " + path + ": it is empty");
    return content;
}

// The value of one line of /proc/self/status, empty where there is none.
std::string status_line(const std::string& name) {
    std::string text;
    if (!read_file("/proc/self/status", &text)) return "";
    const size_t at = text.find("\n" + name + ":");
    if (at == std::string::npos) return "";
    const size_t from = text.find_first_not_of(" \t", at + name.size() + 2);
    if (from == std::string::npos) return "";
    return text.substr(from, text.find('\n', from) - from);
}

long peak_kb() {
    const long high_water = atol(status_line("VmHWM").c_str());
    struct rusage usage;
    if (high_water > 0 || getrusage(RUSAGE_SELF, &usage) != 0) return high_water;
    return usage.ru_maxrss;
}

// By the system call: the C library's cpu_set_t is 32 bits wide on 32-bit Android.
void stay_on(const std::string& mask) {
    const size_t word_bits = 8 * sizeof(unsigned long);
    unsigned long words[1024 / (8 * sizeof(unsigned long))] = {0};
    if (mask.size() > 1024 / 4) fail("--cpus " + mask + ": more than 1024 cores");
    for (size_t i = 0; i < mask.size(); i++) {
        const char digit[2] = {mask[mask.size() - 1 - i], 0};
        char* end = nullptr;
        const unsigned long value = strtoul(digit, &end, 16);
        if (*end != 0 || end == digit) fail("--cpus " + mask + ": give bare hexadecimal");
        words[4 * i / word_bits] |= value << (4 * i % word_bits);
    }
    if (syscall(SYS_sched_setaffinity, 0, sizeof(words), words) != 0) {
        fail("--cpus " + mask + ": " + strerror(errno) + "; is the core offline or not allowed?");
    }
}

bool processor_has_fp16() {
#if defined(__aarch64__)
    const unsigned long fphp_and_asimdhp = (1UL << 9) | (1UL << 10);
    return (getauxval(AT_HWCAP) & fphp_and_asimdhp) == fphp_and_asimdhp;
#else
    return false;
#endif
}

// ---- the command line -------------------------------------------------------------------------

struct Options {
    std::string model, input, output, device, cpus, residency;
    std::string precision = "fp32";
    int threads = 1;
    long warmup = 0;
    double warmup_s = 0;
    long iterations = 1;
    double seconds = 0;
    bool per_layer = false;
};

double positive(const std::string& name, const std::string& text, double least) {
    char* end = nullptr;
    const double value = strtod(text.c_str(), &end);
    if (text.empty() || *end != 0 || !(value >= least) || value > 1e9) {
        fail(name + " " + text + ": give a number of at least " + std::to_string((int)least));
    }
    return value;
}

long count(const std::string& name, const std::string& text, double least) {
    const double value = positive(name, text, least);
    if (value != floor(value)) fail(name + " " + text + ": give a whole number");
    return static_cast<long>(value);
}

Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; i++) {
        const std::string name = argv[i];
        if (name == "--per-layer") {
            options.per_layer = true;
            continue;
        }
        if (i + 1 == argc) fail(name + ": unknown, or without its value");
        const std::string value = argv[++i];
        if (name == "--model") options.model = value;
        else if (name == "--input") options.input = value;
        else if (name == "--output") options.output = value;
        else if (name == "--device") options.device = value;
        else if (name == "--precision") options.precision = value;
        else if (name == "--cpus") options.cpus = value;
        else if (name == "--residency") options.residency = value;
        else if (name == "--threads") options.threads = (int)count(name, value, 1);
        else if (name == "--warmup") options.warmup = count(name, value, 0);
        else if (name == "--warmup-seconds") options.warmup_s = positive(name, value, 0);
        else if (name == "--iterations") options.iterations = count(name, value, 1);
        else if (name == "--seconds") options.seconds = positive(name, value, 0);
        else fail(name + ": no such option");
    }
    if (options.model.empty()) fail("--model is missing");
    if (options.input.empty()) fail("--input is missing");
    if (options.output.empty()) fail("--output is missing");
    return options;
}

TNN_NS::DeviceType device_of(const std::string& name) {
    if (name == "ARM") return TNN_NS::DEVICE_ARM;
    if (name == "X86") return TNN_NS::DEVICE_X86;
    if (name == "NAIVE") return TNN_NS::DEVICE_NAIVE;
    if (name == "OPENCL") return TNN_NS::DEVICE_OPENCL;
    fail("--device " + name + ": choose from ARM, X86, NAIVE, OPENCL");
}

TNN_NS::Precision precision_of(const std::string& name) {
    if (name == "fp32") return TNN_NS::PRECISION_HIGH;
    if (name == "auto") return TNN_NS::PRECISION_AUTO;
    fail("--precision " + name + ": choose from fp32, auto");
}

// TNN itself takes weights that end too early for whole ones and computes with what is missing.
// The last buffer of a .tnnmodel is: magic, data type, bytes that follow, and in version 2 the
// number of dimensions and the dimensions; all int32, little-endian.
void require_whole(const std::string& weights, const std::string& path) {
    for (size_t version = 1; version <= 2; version++) {
        const std::string magic(version == 1 ? "\x02\x00\xbc\xfa" : "\x04\x00\xbc\xfa", 4);
        const size_t at = weights.rfind(magic);
        if (at == std::string::npos || at == 0) continue;  // at 0 is the magic of the file
        int32_t head[4] = {0, 0, 0, 0};
        memcpy(head, weights.data() + at, std::min(8 + 4 * version, weights.size() - at));
        if (head[1] < -1 || head[1] > 6 || head[3] < 0 || head[3] > 16) continue;  // no buffer
        size_t end = at + 12;
        if (head[2] > 0) end += head[2] + (version == 2 ? 4 + 4 * head[3] : 0);
        if (end > weights.size()) {
            fail("weights " + path + ": " + std::to_string(weights.size()) + " bytes of at least " +
                 std::to_string(end) + "; the file is cut off");
        }
    }
}

// ---- the network ------------------------------------------------------------------------------

struct Tensor {
    std::string name;
    TNN_NS::DimsVector shape;
    bool whole_numbers;  // int32 in place of float32; four bytes either way
    std::vector<char> bytes;
    std::shared_ptr<TNN_NS::Mat> mat;
    std::shared_ptr<TNN_NS::BlobConverter> converter;
};

struct Times {
    int64_t at, in, forward, out;
};

class Network {
public:
    // What is read here is checked here: benchmark builds of TNN invent missing weights.
    explicit Network(const Options& options) {
        const std::string suffix = ".tnnproto";
        const size_t stem = options.model.size() - suffix.size();
        if (options.model.size() <= suffix.size() || options.model.substr(stem) != suffix) {
            fail("--model " + options.model + ": no .tnnproto");
        }
        TNN_NS::ModelConfig model;
        model.model_type = TNN_NS::MODEL_TYPE_TNN;
        model.params.push_back(must_read(options.model, "model"));
        const std::string weights = options.model.substr(0, stem) + ".tnnmodel";
        model.params.push_back(must_read(weights, "weights"));
        require_whole(model.params.back(), weights);
        TNN_NS::NetworkConfig config;
        config.device_type = device_of(options.device);
        config.precision = precision_of(options.precision);
        require("read the model", tnn_.Init(model));
        Status status;
        instance_ = tnn_.CreateInst(config, status);
        require("create the network", status);
        if (!instance_) fail("create the network: TNN returned none");
        require("set the threads", instance_->SetCpuNumThreads(options.threads));
        require("get the command queue", instance_->GetCommandQueue(&queue_));
        connect();
    }

    const TNN_NS::DimsVector& input_shape() const { return input_.shape; }

    void feed(const std::string& path) {
        const std::string content = must_read(path, "input");
        if (content.size() != input_.bytes.size()) {
            fail("input " + path + ": " + std::to_string(content.size()) + " bytes, the network " +
                 "takes " + std::to_string(input_.bytes.size()) + " (float32 " +
                 list(input_.shape) + ")");
        }
        memcpy(input_.bytes.data(), content.data(), content.size());
    }

    Times infer() {
        Times times;
        times.at = nanoseconds(CLOCK_BOOTTIME);
        const int64_t start = monotonic();
        Status status = input_.converter->ConvertFromMat(*input_.mat, plain_, queue_);
        const int64_t fed = monotonic();
        if (status != TNN_NS::TNN_OK) require("convert the input", status);
        status = instance_->Forward();
        const int64_t computed = monotonic();
        if (status != TNN_NS::TNN_OK) require("forward", status);
        for (Tensor& output : outputs_) {
            status = output.converter->ConvertToMat(*output.mat, plain_, queue_);
            if (status != TNN_NS::TNN_OK) require("convert output " + output.name, status);
        }
        const int64_t end = monotonic();
        times.in = fed - start;
        times.forward = computed - fed;
        times.out = end - computed;
        return times;
    }

    // One JSON line that names the outputs, then their values, each after the other.
    void write_outputs(const std::string& path) const {
        std::string header;
        for (const Tensor& output : outputs_) {
            header += (header.empty() ? "" : ",") + ("{\"name\":" + quoted(output.name)) +
                      ",\"shape\":" + list(output.shape) + ",\"dtype\":\"" +
                      (output.whole_numbers ? "int32" : "float32") + "\"}";
        }
        header = "{\"outputs\":[" + header + "]}\n";
        const std::string temporary = path + ".part";
        FILE* file = fopen(temporary.c_str(), "wb");
        if (file == nullptr) fail("output " + temporary + ": " + strerror(errno));
        bool whole = fwrite(header.data(), 1, header.size(), file) == header.size();
        for (const Tensor& output : outputs_) {
            const std::vector<char>& bytes = output.bytes;
            whole = whole && fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
        }
        whole = fclose(file) == 0 && whole;
        if (!whole || rename(temporary.c_str(), path.c_str()) != 0) {
            const std::string reason = strerror(errno);
            unlink(temporary.c_str());
            fail("output " + path + ": " + reason);
        }
    }

    bool start_profile() {
#if TNN_PROFILE
        instance_->StartProfile();
        return true;
#else
        return false;
#endif
    }

    std::string finish_profile() {
#if TNN_PROFILE
        return instance_->FinishProfile(false);
#else
        return "";
#endif
    }

private:
    void connect() {
        TNN_NS::BlobMap inputs, outputs;
        require("list the inputs", instance_->GetAllInputBlobs(inputs));
        require("list the outputs", instance_->GetAllOutputBlobs(outputs));
        if (inputs.size() != 1) {
            fail("the network has " + std::to_string(inputs.size()) + " inputs; it must have one");
        }
        if (outputs.empty()) fail("the network has no output");
        input_ = tensor(inputs.begin()->second);
        if (input_.whole_numbers) fail("input " + input_.name + " is int32; it must be float32");
        for (auto& named : outputs) outputs_.push_back(tensor(named.second));
    }

    static Tensor tensor(TNN_NS::Blob* blob) {
        const TNN_NS::BlobDesc desc = blob->GetBlobDesc();
        Tensor one;
        one.name = desc.name;
        one.shape = desc.dims;
        one.whole_numbers = desc.data_type == TNN_NS::DATA_TYPE_INT32;
        size_t size = 4;
        for (int side : desc.dims) {
            if (side < 1) fail("tensor " + desc.name + ": shape " + list(desc.dims));
            size *= side;
        }
        one.bytes.resize(size);
        one.mat = std::make_shared<TNN_NS::Mat>(
            TNN_NS::DEVICE_NAIVE, one.whole_numbers ? TNN_NS::NC_INT32 : TNN_NS::NCHW_FLOAT,
            desc.dims, one.bytes.data());  // moving a vector does not move its bytes
        one.converter = std::make_shared<TNN_NS::BlobConverter>(blob);
        return one;
    }

    TNN_NS::TNN tnn_;
    std::shared_ptr<TNN_NS::Instance> instance_;
    void* queue_ = nullptr;
    TNN_NS::MatConvertParam plain_;  // values as they are
    Tensor input_;
    std::vector<Tensor> outputs_;
};

// ---- the measurement --------------------------------------------------------------------------

// The first inference of all is run and told even where no warm-up is asked for: it sets up what
// the network keeps.
void warm_up(Network& network, const Options& options) {
    const int64_t start = monotonic();
    const Times first = network.infer();
    emit("first", "\"ms\":" + number((first.in + first.forward + first.out) / 1e6));
    fflush(stdout);
    long done = 1;
    for (; done < options.warmup || (monotonic() - start) / 1e9 < options.warmup_s; done++) {
        network.infer();
    }
    emit("warm", "\"iterations\":" + std::to_string(done));
}

void tell_residency(const std::string& path) {
    std::string text;
    if (path.empty() || !read_file(path, &text)) return;
    emit("residency", "\"text\":" + quoted(text));
}

// How long this thread was ready to run while others had its core, in ns; -1 where unknown.
// The second figure of the kernel's schedstat.
int64_t waited() {
    std::string text;
    long long ran = 0, waited = -1;
    if (!read_file("/proc/thread-self/schedstat", &text)) return -1;
    return sscanf(text.c_str(), "%lld %lld", &ran, &waited) == 2 ? waited : -1;
}

long measure(Network& network, const Options& options) {
    tell_residency(options.residency);
    fflush(stdout);
    const int64_t waited_before = waited();
    int64_t flushed = monotonic();
    // By the inferences' own clock: what holds this process up after one ends no round early.
    int64_t began = 0, ended = 0;
    long done = 0;
    for (; done < options.iterations || (ended - began) / 1e9 < options.seconds; done++) {
        const Times times = network.infer();
        if (done == 0) began = times.at;
        ended = times.at + times.in + times.forward + times.out;
        printf("{\"event\":\"run\",\"at_ns\":%lld,\"in_ns\":%lld,\"forward_ns\":%lld,"
               "\"out_ns\":%lld}\n",
               (long long)times.at, (long long)times.in, (long long)times.forward,
               (long long)times.out);
        if (monotonic() - flushed > kFlushEveryNs) {
            fflush(stdout);  // a run that is killed keeps what it has measured
            flushed = monotonic();
        }
    }
    const int64_t waited_after = waited();
    if (waited_before >= 0 && waited_after >= waited_before) {
        emit("crowded", "\"waited_ns\":" + std::to_string(waited_after - waited_before));
    }
    tell_residency(options.residency);
    return done;
}

void run(const Options& options) {
    if (options.threads > 1 && !TOPFORMER_TNN_OPENMP) {
        fail("--threads " + std::to_string(options.threads) + ": this TNN was built without " +
             "OpenMP and would use one; build it with TNN_OPENMP_ENABLE=ON");
    }
    const int64_t start = monotonic();
    Network network(options);
    emit("loaded", "\"ms\":" + number((monotonic() - start) / 1e6) +
                       ",\"input\":" + list(network.input_shape()));
    network.feed(options.input);
    warm_up(network, options);
    const bool profiled = options.per_layer && network.start_profile();
    const long done = measure(network, options);
    if (profiled) {
        emit("profile", "\"text\":" + quoted(network.finish_profile()));
    } else if (options.per_layer) {
        const char* how = "no times of layers: this TNN was built without TNN_PROFILER_ENABLE "
                          "(with GCC it also needs CMAKE_CXX_FLAGS='-include algorithm')";
        emit("note", "\"text\":" + quoted(how));
    }
    network.write_outputs(options.output);
    emit("done", "\"iterations\":" + std::to_string(done) +
                     ",\"peak_kb\":" + std::to_string(peak_kb()) +
                     ",\"allowed\":" + quoted(status_line("Cpus_allowed_list")));
}

}  // namespace

int main(int argc, char** argv) {
    static char buffer[1 << 16];
    setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("%s\n", kWhat + 4);
        return 0;
    }
    const Options options = parse(argc, argv);
    if (!options.cpus.empty()) stay_on(options.cpus);
    const char* fp16 = processor_has_fp16() ? "true" : "false";
    emit("start", "\"runner\":\"topformer-runner " RUNNER_VERSION "\",\"engine\":\"TNN\"," +
                      ("\"origin\":" + quoted(TOPFORMER_TNN_ORIGIN)) +
                      ",\"pid\":" + std::to_string(getpid()) +
                      ",\"fp16_kernels\":" TEXT_OF(TOPFORMER_TNN_FP16) ",\"fp16_processor\":" +
                      fp16 + ",\"allowed\":" + quoted(status_line("Cpus_allowed_list")));
    run(options);
    if (fflush(stdout) != 0 || ferror(stdout)) return kFailed;
    return 0;
}
