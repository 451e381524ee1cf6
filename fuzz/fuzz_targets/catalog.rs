#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| invokeai_client_fuzz::catalog(data));
