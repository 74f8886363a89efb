/*
 * ts_kernel.h
 *	  Loops that are compiled for several levels of the processor.
 *
 * Kernels: loops over a vector that gain from wider registers are compiled once for
 * each level of the processor and chosen when the library is loaded. Not under
 * sanitizers, whose run time is not ready when the choice is made, not by other
 * compilers, and not when all is compiled for a newer processor (-march=native) anyway.
 * A multiplying kernel has no AVX-512 form: its multiplication of 64 bits
 * is slower than what is made of several of 32.
 */
#ifndef TS_KERNEL_H
#define TS_KERNEL_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
	!defined(__AVX2__)
#define KERNEL_LEVELS
#define KERNEL_MULTIPLYING __attribute__((target_clones("arch=x86-64-v3", "default")))
#ifdef TS_CODEC_NO_AVX512
#define KERNEL KERNEL_MULTIPLYING
#else
#define KERNEL \
	__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
#else
#define KERNEL
#define KERNEL_MULTIPLYING
#endif

#endif /* TS_KERNEL_H */
