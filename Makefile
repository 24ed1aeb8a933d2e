# Thin wrapper over CMake: each target installs the Debian packages it lacks, saying so first.
PRESET ?= release
BUILD := build/$(PRESET)

PACKAGES := cmake ninja-build gcc libc6-dev pkg-config mosquitto libsqlite3-dev librdkafka-dev libmicrohttpd-dev \
	libcurl4-openssl-dev libssl-dev libjansson-dev libjsmn-dev libyaml-dev libkissfft-dev \
	libnghttp2-dev libnanopb-dev liblbfgs-dev libmodbus-dev libiio-dev libcmocka-dev
CHECK_PACKAGES := $(PACKAGES) python3 openssl python3-paho-mqtt python3-prometheus-client docker-registry
BENCH_PACKAGES := $(PACKAGES) libmosquitto-dev python3-venv time openjdk-17-jre-headless maven kcat
FUZZ_PACKAGES := $(PACKAGES) clang-14 libclang-rt-14-dev
KAFKA_PACKAGES := $(CHECK_PACKAGES) openjdk-17-jre-headless maven kcat
IMAGE_PACKAGES := $(PACKAGES) python3 binutils ca-certificates
KUBERNETES_PACKAGES := $(KAFKA_PACKAGES) binutils ca-certificates
JUDGE_PACKAGES := $(CHECK_PACKAGES) python3-venv

.PHONY: demo check bench build image image-arm64 check-models check-kafka check-kubernetes check-sparkplug check-gateways \
	check-node check-argo check-sanitize check-clang check-fuzz arm64 cortex-m man format clean

# Installs those of the packages that are missing, and says so.
define install
	@sh cmake/install.sh $(1)
endef

build:
	$(call install,$(PACKAGES))
	@cmake --preset $(PRESET) >/dev/null
	@cmake --build --preset $(PRESET)

demo: build
	@$(BUILD)/millwright demo

check:
	$(call install,$(CHECK_PACKAGES))
	@cmake --preset $(PRESET) >/dev/null
	@cmake --build --preset $(PRESET)
	@sh tests/run.sh $(BUILD)

# The same tests under AddressSanitizer and UndefinedBehaviorSanitizer.
check-sanitize:
	$(call install,$(CHECK_PACKAGES))
	@cmake --preset asan >/dev/null
	@cmake --build --preset asan
	@sh tests/run.sh build/asan

check-clang:
	$(call install,$(FUZZ_PACKAGES))
	@cmake --preset clang >/dev/null
	@cmake --build --preset clang
	@sh tests/run.sh build/clang

# Every fuzz target for FUZZ_SECONDS on top of its committed corpus.
FUZZ_SECONDS ?= 20
check-fuzz:
	$(call install,$(FUZZ_PACKAGES))
	@cmake --preset fuzz >/dev/null
	@cmake --build --preset fuzz
	@sh fuzz/run.sh build/fuzz $(FUZZ_SECONDS)

# Millwright's models under independent judges from PyPI.
check-models: build
	$(call install,$(JUDGE_PACKAGES))
	@sh tests/peers.sh $(BUILD) judges

# The bridge against pysparkplug, from PyPI.
check-sparkplug: build
	$(call install,$(JUDGE_PACKAGES))
	@sh tests/peers.sh $(BUILD) sparkplug

# The stream and the whole loop on a real Apache Kafka, which is fetched from Maven Central once.
check-kafka: build
	$(call install,$(KAFKA_PACKAGES))
	@cmake --build --preset $(PRESET)
	@python3 -B tests/kafka/check.py $(BUILD)

# Everything on a real Kubernetes, which is built through the Go module proxy once. Needs root and Go.
check-kubernetes: build
	$(call install,$(KUBERNETES_PACKAGES))
	@python3 -B tests/kubernetes/check.py $(BUILD)

# One image for all roles, as an OCI archive: for podman load, ctr images import, skopeo copy.
IMAGE ?= millwright:$$($(BUILD)/millwright --version | sed 's/.* //')
image: build
	$(call install,$(IMAGE_PACKAGES))
	@python3 -B deploy/image/make.py $(BUILD)/millwright.tar $(IMAGE) $(BUILD)/millwright

# Things behind gateways against an independent Modbus server from PyPI.
check-gateways: build
	$(call install,$(JUDGE_PACKAGES))
	@sh tests/peers.sh $(BUILD) gateways

# The exported pipeline under Hera's models of Argo's objects, from PyPI.
check-argo: build
	$(call install,$(JUDGE_PACKAGES))
	@sh tests/peers.sh $(BUILD) argo

# `millwright node` against a kubelet that gRPC's own Python plays, from PyPI.
check-node: build
	$(call install,$(JUDGE_PACKAGES))
	@sh tests/node/check.sh $(BUILD)

bench:
	$(call install,$(BENCH_PACKAGES))
	@cmake --preset $(PRESET) >/dev/null
	@cmake --build --preset $(PRESET)
	@sh bench/run.sh $(BUILD) $(PARTS)

man: build
	@$(BUILD)/millwright --man > $(BUILD)/millwright.1
	@echo $(BUILD)/millwright.1

# Also a whole plant in the image, every process of it emulated.
arm64:
	@sh cmake/install-arm64.sh
	@cmake --preset arm64 >/dev/null
	@cmake --build --preset arm64
	@sh tests/emulated.sh sh tests/run.sh build/arm64 -R '^(core|lib|tiers|fuzz|image)/'

# The image for both architectures.
image-arm64: image
	@sh cmake/install-arm64.sh
	@cmake --preset arm64 >/dev/null
	@cmake --build --preset arm64 --target millwright
	@python3 -B deploy/image/make.py $(BUILD)/millwright.tar $(IMAGE) $(BUILD)/millwright build/arm64/millwright

cortex-m:
	$(call install,cmake ninja-build gcc-arm-none-eabi libnewlib-arm-none-eabi libjsmn-dev dpkg-dev)
	@sh cmake/debian-source.sh kissfft build/kissfft
	@sh cmake/debian-source.sh nanopb build/nanopb
	@cmake --preset cortex-m >/dev/null
	@cmake --build --preset cortex-m
	@sh tests/core_symbols.sh arm-none-eabi-nm build/cortex-m/core/*.a
	@for library in build/cortex-m/core/*.a; do arm-none-eabi-size -t $$library | \
		awk -v name=$$library 'END { print name ": " $$1 " bytes of code, " $$2 + $$3 " of data" }'; done

format:
	@git ls-files '*.c' '*.h' | xargs clang-format-14 -i

clean:
	@rm -rf build
