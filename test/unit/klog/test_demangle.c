/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of Rust and C++ as a title has them. */
#include "unit.h"

#include "klog/names.h"

static const struct {
    const char *in, *out; /* out: NULL: left as it is */
} cases[] = {
    /* Rust, v0 */
    { "_RNvNtCs4fqI2P2rA04_4core5slice5index", "core::slice::index" },
    { "_RNvMs_NtCs1234567890a_8nova_drm6driverNtB4_10NovaDriver5probe",
      "<nova_drm::driver::NovaDriver>::probe" },
    { "_RNvXs1_NtCs9_6kernel3usbNtB5_6DeviceNtNtCsa_4core3fmt5Debug3fmt",
      "<kernel::usb::Device as core::fmt::Debug>::fmt" },
    { "_RNvYNtCs9_5wheel4AxisNtNtCsa_6kernel5input6Driver4open",
      "<wheel::Axis as kernel::input::Driver>::open" },
    { "_RNCNvNtCs9_5wheel4axis4spin0", "wheel::axis::spin::{closure#0}" },
    { "_RNCNvNtCs9_5wheel4axis4spins0_0B5_", "wheel::axis::spin::{closure#2}" },
    { "_RINvNtCs9_5wheel4axis4spinmNtB4_4FastKj1f_EB4_", "wheel::axis::spin" },
    { "_RINvNtCs9_4core3ptr13drop_in_placeINtNtCs8_5alloc5boxed3BoxDNtNtB4_3any3AnyEL_EECs7_5wheel",
      "core::ptr::drop_in_place" },
    { "_RNvMCs9_5wheelINtB2_4AxisRShE4turn", "<wheel::Axis>::turn" },
    { "_RNvMCs9_5wheelTmhE4turn", "<(u32, u8)>::turn" },
    { "_RNvMCs9_5wheelRSh4turn", "<&[u8]>::turn" },
    { "_RNvCs9_5wheel4spin.llvm.1234567", "wheel::spin" },
    /* Rust, the legacy form: the hash is of the build */
    { "_ZN11rust_binder6thread6Thread5write17h0123456789abcdefE",
      "rust_binder::thread::Thread::write" },
    { "_ZN11rust_binder6thread6Thread5write17hfedcba9876543210E.llvm.42",
      "rust_binder::thread::Thread::write" },
    { "_ZN53_$LT$wheel..Axis$u20$as$u20$kernel..input..Driver$GT$4open17h0123456789abcdefE",
      "<wheel::Axis as kernel::input::Driver>::open" },
    { "_ZN99_$LT$wheel..Axis$u20$as$u20$kernel..input..Driver$GT$4open17h0123456789abcdefE", NULL },
    { "_ZN5alloc5boxed12Box$LT$T$GT$3new17h0123456789abcdefE", "alloc::boxed::Box::new" },
    /* C++ */
    { "_Z8spinAxisiii", "spinAxis" },
    { "_ZN5wheel4Axis4spinEiPKc", "wheel::Axis::spin" },
    { "_ZNK5wheel4Axis4sizeEv", "wheel::Axis::size" },
    { "_ZN5wheel4AxisC1Ev", "wheel::Axis::Axis" },
    { "_ZN5wheel4AxisD0Ev", "wheel::Axis::~Axis" },
    { "_ZN5wheel4ListIiSt6vectorIhSaIhEEE4pushEi", "wheel::List::push" },
    { "_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector::push_back" },
    /* none of these */
    { "spin_lock", NULL },
    { "_RET_IP_", NULL },
    { "_R", NULL },
    { "_RNv", NULL },
    { "_RNvC5wheel99spin", NULL },
    { "_RNvB_4spin", NULL },
    { "_Z", NULL },
    { "_ZN", NULL },
    { "_ZN5wheel", NULL },
    { "_Z99spin", NULL },
    { "__do_sys_read", NULL },
};

static void test_cases(void **state)
{
    char buf[KLOG_MAX_DEMANGLED];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t n = klog_demangle(span_str(cases[i].in), buf);

        if (!cases[i].out && n > 0)
            fail_msg("%s is no name, got %.*s", cases[i].in, (int)n, buf);
        if (cases[i].out && !span_eq((struct span){ buf, n }, cases[i].out))
            fail_msg("%s: got %.*s", cases[i].in, (int)n, buf);
    }
}

static void test_name(void **state)
{
    char buf[KLOG_MAX_DEMANGLED];

    (void)state;
    assert_true(span_eq(klog_function_name(SPAN("spin.isra.0"), buf), "spin"));
    assert_true(span_eq(klog_function_name(SPAN("_RNvCs9_5wheel4spin"), buf), "wheel::spin"));
    assert_true(span_eq(klog_function_name(SPAN("_Zspin.cold"), buf), "_Zspin"));
}

/* Back references may name each other for ever; and a name may be longer than any. */
static void test_bounds(void **state)
{
    char buf[KLOG_MAX_DEMANGLED], deep[4096];
    size_t n = 0;

    (void)state;
    assert_int_equal(klog_demangle(SPAN("_RNvMC1aTB5_B5_E1f"), buf), 0);
    assert_int_equal(klog_demangle(SPAN("_RNvB_1f"), buf), 0);
    deep[n++] = '_';
    deep[n++] = 'R';
    while (n + 2 < sizeof(deep)) {
        deep[n++] = 'N';
        deep[n++] = 'v';
    }
    assert_int_equal(klog_demangle((struct span){ deep, n }, buf), 0);
    n = (size_t)snprintf(deep, sizeof(deep), "_Z300");
    memset(deep + n, 'a', 300);
    assert_int_equal(klog_demangle((struct span){ deep, n + 300 }, buf), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
