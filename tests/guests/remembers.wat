;; A SmartModule that gives, for each record, the values of all that it has seen before: those of look_back, and its own. Values
;; are of one byte and without a key. look_back does not take three of them: "x" (it traps), "r" (it refuses) and "l" (it
;; never ends); array_map traps at "p", and takes 9 MiB of memory at "G".
(module
  (import "env" "copy_records" (func $copy_records (param i32 i32)))
  (memory (export "memory") 17)
  (global $seen (mut i32) (i32.const 0))
  ;; the text "no", and no more of an error than that
  (data (i32.const 512) "\00\02no")
  ;; one record: its size, attributes, time, offset, no key, the value's size
  (data (i32.const 1024) "\00\00\00\01\00\00\00\00\00\00")
  (func (export "alloc") (param $size i32) (result i32)
    (i32.const 0x10000))
  (func $remember (param $value i32)
    (i32.store8 (i32.add (i32.const 1034) (global.get $seen)) (local.get $value))
    (global.set $seen (i32.add (global.get $seen) (i32.const 1))))
  (func (export "look_back") (param $at i32) (param $size i32) (param $version i32) (result i32)
    (local $left i32) (local $value i32)
    (local.set $left (i32.load8_u (i32.add (local.get $at) (i32.const 15))))
    (loop $records
      (if (i32.eqz (local.get $left)) (then (return (i32.const 0))))
      (local.set $value (i32.load8_u (i32.add (local.get $at) (i32.const 22))))
      (if (i32.eq (local.get $value) (i32.const 0x78)) (then unreachable))
      (if (i32.eq (local.get $value) (i32.const 0x72))
        (then (call $copy_records (i32.const 512) (i32.const 4)) (return (i32.const -99))))
      (loop $ever (br_if $ever (i32.eq (local.get $value) (i32.const 0x6c))))
      (call $remember (local.get $value))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $records))
    unreachable)
  (func (export "array_map") (param $at i32) (param $size i32) (param $version i32) (result i32)
    (local $value i32) (local $end i32)
    (local.set $value (i32.load8_u (i32.add (local.get $at) (i32.const 22))))
    (if (i32.eq (local.get $value) (i32.const 0x70)) (then unreachable))
    (if (i32.eq (local.get $value) (i32.const 0x47)) (then (drop (memory.grow (i32.const 144)))))
    (i32.store8 (i32.const 1028) (i32.mul (i32.const 2) (i32.add (i32.const 6) (global.get $seen))))
    (i32.store8 (i32.const 1033) (i32.mul (i32.const 2) (global.get $seen)))
    ;; no headers, and no error
    (local.set $end (i32.add (i32.const 1034) (global.get $seen)))
    (i32.store16 (local.get $end) (i32.const 0))
    (call $copy_records (i32.const 1024) (i32.add (i32.const 12) (global.get $seen)))
    (call $remember (local.get $value))
    (i32.const 1)))
