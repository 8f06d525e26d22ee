package backplanetest

func headCases() []testCase {
	return []testCase{
		{name: "it sees every Publish that returned", test: headSeesPublish},
		{name: "the first position comes after it", test: headBeforeFirst},
		{name: "a Join returns one that sees every Publish before", test: headOfJoin},
	}
}

func headSeesPublish(s *scene) {
	s.together(4, func(int) error {
		for range 10 {
			e, err := s.tryPut(s.topic("a"))
			if err != nil {
				return err
			}
			head, err := s.Backplane.Head(s.t.Context(), s.partition)
			if err != nil {
				return err
			}
			if e.position.After(head) {
				s.t.Errorf("the head is %v after %v was acknowledged", head, e.position)
			}
		}
		return nil
	})
}

func headBeforeFirst(s *scene) {
	head := s.head()
	s.expect(!head.IsZero(), "no head before the first event")
	e := s.put(s.topic("a"))
	s.expect(e.position.After(head), "%v does not come after the head %v", e.position, head)
	s.expect(e.position.Timeline() == head.Timeline(), "%v and the head %v are of two timelines", e.position, head)
}

func headOfJoin(s *scene) {
	for range 5 {
		e := s.put(s.topic("a"))
		head := s.join(s.topic("a"))
		s.expect(!e.position.After(head), "Join returned %v after %v was acknowledged", head, e.position)
	}
}
