# Everything that is done with this checkout. `make demo` and `make test` need no other step.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
PIP := $(BIN)/pip install -q --disable-pip-version-check -c constraints.txt
LINK := build/collections/ansible_collections/ipv4aas/fleet
COPY := build/sanity/ansible_collections/ipv4aas/fleet
ZIPAPP := build/ipv4aas-node.pyz
ENGINE := $(shell find engine -name '*.py')
FAST := engine/node/fast
PROGRAMS := $(patsubst $(FAST)/c/%.bpf.c,$(FAST)/objects/%.bpf.o,$(wildcard $(FAST)/c/*.bpf.c))
CLANG ?= $(or $(shell command -v clang-14),clang)
BPF_CC = $(CLANG) -O2 -g -Wall -Werror -fno-strict-aliasing -target bpf -mcpu=v3 -I/usr/include/$(shell uname -m)-linux-gnu
LLVM_STRIP ?= $(or $(shell command -v llvm-strip-14),llvm-strip)

export PATH := $(BIN):$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/build/collections

.PHONY: help venv packages fast-path link demo test kernels lint sanity zipapp bench fuzz build clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

venv: $(VENV)/.dev ## .venv with the requirements of the run and of the tests

$(VENV)/.run: requirements.txt constraints.txt
	$(PYTHON) -c 'import ensurepip' || scripts/packages
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt
	touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(PIP) -r requirements-dev.txt
	touch $@

packages: ## the Debian packages of bindep.txt that are absent
	scripts/packages test

link: ## the checkout, where Ansible looks for collections
	@mkdir -p $(dir $(LINK))
	@ln -sfn $(CURDIR) $(LINK)

fast-path: $(PROGRAMS) ## the eBPF programs of the software node

# -g for the types that Python makes its packers of; the strip leaves those and takes the rest.
$(FAST)/objects/%.bpf.o: $(FAST)/c/%.bpf.c $(wildcard $(FAST)/c/*.h)
	@mkdir -p $(@D)
	$(BPF_CC) -c $< -o $@
	$(LLVM_STRIP) -g $@

build/bench/%.bpf.o: bench/%.bpf.c # what bench loads beside them
	@mkdir -p $(@D)
	$(BPF_CC) -c $< -o $@

zipapp: $(ZIPAPP) ## the software node as one file

$(ZIPAPP): plugins/plugin_utils/bundle.py $(ENGINE) $(PROGRAMS)
	$(PYTHON) $< node $@

demo: $(VENV)/.run link ## ShowNet 2013's network, five services, end to end, in network namespaces
	scripts/packages
	$(MAKE) zipapp
	status=0; \
	ansible-playbook -i inventories/shownet2013 playbooks/shownet2013.yml || status=$$?; \
	python tests/lab/lab.py down; \
	python playbooks/shownet2013/lines.py table || status=1; \
	exit $$status

test: $(VENV)/.dev link ## every test
	scripts/packages test
	$(MAKE) zipapp
	python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev ## code, YAML, playbooks, documentation, changelog
	ruff check .
	ruff format --check .
	mypy --strict engine
	yamllint --strict .
	antsibull-changelog lint
	scripts/collection-copy >/dev/null
	cd $(COPY) && ANSIBLE_COLLECTIONS_PATH=$(CURDIR)/build/sanity ansible-lint --offline -q
	cd $(COPY) && ANSIBLE_COLLECTIONS_PATH=$(CURDIR)/build/sanity antsibull-docs lint-collection-docs \
	  --plugin-docs --skip-rstcheck .

sanity: $(VENV)/.dev ## ansible-test sanity
	scripts/packages test
	VENV=$(VENV) scripts/sanity

bench: $(VENV)/.dev link ## packets beside kernel routing and tayga; plans; rollouts beside nornir
	scripts/packages test
	$(MAKE) zipapp
	python bench/planning.py
	python bench/rollout.py
	python bench/run.py
	python bench/translation.py
	python bench/sessions.py
	python bench/fast_path.py

kernels: $(VENV)/.dev link fast-path ## the programs of the fast path on Debian 12's own kernel, in a virtual machine
	scripts/packages test
	scripts/on-kernel 6.1 python -m pytest -q -p no:cacheprovider tests/fast/test_every_seat.py

fuzz: $(VENV)/.dev ## a million random and mutated packets through the core; FUZZ_PACKETS=10000000 for more
	FUZZ_PACKETS=$${FUZZ_PACKETS:-1000000} python -m pytest -n 2 tests/fuzz

build: $(VENV)/.dev zipapp ## collection tarball and wheel, under dist/
	ansible-galaxy collection build --force --output-path dist
	pip wheel -q --no-deps -w dist .

clean: ## what the targets above made
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible *.egg-info
