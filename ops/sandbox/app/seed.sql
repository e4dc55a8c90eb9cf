-- Some thousand rows, the same every time. Runs after the fifth migration.
INSERT INTO "schools" ("name", "city")
SELECT 'School ' || n, (ARRAY['Pune', 'Nagpur', 'Kochi'])[n] FROM generate_series(1, 3) AS n;

INSERT INTO "users" ("school_id", "email", "role", "created_at")
SELECT 1 + n % 3, 'person' || n || '@school.example',
       (ARRAY['ADMIN', 'TEACHER', 'GUARDIAN', 'GUARDIAN'])[1 + n % 4]::"user_role",
       TIMESTAMP '2023-09-01 08:00' + n * INTERVAL '1 minute'
  FROM generate_series(1, 600) AS n;

INSERT INTO "classes" ("school_id", "name")
SELECT 1 + n % 3, (1 + n % 10) || chr(65 + n % 3) FROM generate_series(1, 60) AS n;

INSERT INTO "students" ("class_id", "name", "phone", "fax", "born_on")
SELECT 1 + n % 60, 'Student ' || n, CASE WHEN n % 5 > 0 THEN '+91 20 ' || lpad(n::text, 6, '0') END,
       NULL, DATE '2010-01-01' + (n * 7) % 2500
  FROM generate_series(1, 1500) AS n;

INSERT INTO "guardians" ("user_id", "student_id")
SELECT 1 + n % 600, n FROM generate_series(1, 1500) AS n;

INSERT INTO "attendance" ("student_id", "day", "present")
SELECT student, DATE '2024-01-08' + day, (student + day) % 17 > 0
  FROM generate_series(1, 1500) AS student, generate_series(0, 3) AS day;

INSERT INTO "payments" ("student_id", "amount", "status", "due_on")
SELECT student, 1500 + (student % 7) * 250,
       (CASE WHEN (student + term) % 4 = 0 THEN 'DUE' ELSE 'PAID' END)::"payment_status",
       DATE '2023-10-01' + term * 90
  FROM generate_series(1, 1500) AS student, generate_series(0, 1) AS term;

INSERT INTO "notifications" ("user_id", "type", "body", "sent_at")
SELECT 1 + n % 600, (ARRAY['GENERAL', 'FEE'])[1 + n % 2]::"notification_type",
       'Notice ' || n, TIMESTAMP '2024-01-10 07:00' + n * INTERVAL '1 second'
  FROM generate_series(1, 800) AS n;
