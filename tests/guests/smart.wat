;; A SmartModule that gives, for whatever it is given, the bytes between the marks, so that a test can put its own there.
;; It counts its calls in the byte in front, and leaks a page at each.
(module
  (import "env" "copy_records" (func $copy_records (param i32 i32)))
  (memory (export "memory") 17)
  (data (i32.const 1024) "GIVEN")
  (func (export "alloc") (param $size i32) (result i32)
    (drop (memory.grow (i32.const 1)))
    (i32.const 0x10000))
  (func (export "WORK") (param $at i32) (param $size i32) (param $version i32) (result i32)
    (call $copy_records (i32.const 1024) (i32.const SIZE))
    (i32.const RETURNS)))
